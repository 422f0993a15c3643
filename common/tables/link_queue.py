"""Records that the linker has yet to place in a conversation; a row arrives with its record."""

from sqlalchemy import Column, Table, Uuid

from common.tables.base import metadata

link_queue = Table("link_queue", metadata, Column("record_id", Uuid, primary_key=True))

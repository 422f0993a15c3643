"""One table per file; `metadata` knows every one of them."""

from common.tables.access_tokens import access_tokens
from common.tables.base import metadata
from common.tables.bot_events import bot_events
from common.tables.bot_jobs import bot_jobs
from common.tables.conversations import conversations
from common.tables.credential_decisions import credential_decisions
from common.tables.exchanges import exchanges
from common.tables.identities import identities
from common.tables.key_links import key_links
from common.tables.leases import leases
from common.tables.link_queue import link_queue
from common.tables.messages import messages
from common.tables.nodes import nodes
from common.tables.passwords import passwords
from common.tables.rate_windows import rate_windows
from common.tables.record_parts import record_parts
from common.tables.record_quarantine import record_quarantine
from common.tables.records import records
from common.tables.resources import resources
from common.tables.retention import retention
from common.tables.sweep_queue import sweep_queue
from common.tables.switches import switches
from common.tables.tombstones import tombstones
from common.tables.usage_daily import usage_daily
from common.tables.used_sign_ins import used_sign_ins
from common.tables.users import users
from common.tables.web_sessions import web_sessions
from common.tables.worker_reports import worker_reports

__all__ = [
    "access_tokens",
    "bot_events",
    "bot_jobs",
    "conversations",
    "credential_decisions",
    "exchanges",
    "identities",
    "key_links",
    "leases",
    "link_queue",
    "messages",
    "metadata",
    "nodes",
    "passwords",
    "rate_windows",
    "record_parts",
    "record_quarantine",
    "records",
    "resources",
    "retention",
    "sweep_queue",
    "switches",
    "tombstones",
    "usage_daily",
    "used_sign_ins",
    "users",
    "web_sessions",
    "worker_reports",
]

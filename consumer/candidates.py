"""Find the exchanges that may be an exchange's parent: many questions in one query.

A question is answered with the latest few exchanges that match it; which of them is the parent is
decided in `consumer.conversations`, and what is asked in `consumer.placing`.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    LargeBinary,
    Select,
    Uuid,
    bindparam,
    cast,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from common.tables import exchanges
from consumer.conversations import MOST_ALIKE, Candidate, Offer

MOST_PROBES = 4096
"""In one query, so that neither side holds much."""


class Key(StrEnum):
    """What candidates are found by: a column of `exchanges`."""

    ANSWER = "answer_hash"
    PROMPT = "prompt_hash"
    PAIR = "pair_hash"
    REPLY = "upstream_id"


class Probe(NamedTuple):
    """One question: which exchanges of this user, that began earlier, have this hash?"""

    hash: bytes
    user_id: int
    before: UUID
    conversation_id: UUID | None
    """Only in this conversation; None: wherever."""


async def candidates(
    connection: AsyncConnection, key: Key, probes: Sequence[Probe]
) -> list[tuple[Probe, Candidate]]:
    """In no order."""
    arrays = connection.dialect.name == "postgresql"
    statement = _on_postgres(key) if arrays else _on_sqlite(key)
    found = []
    for start in range(0, len(probes), MOST_PROBES):
        some = probes[start : start + MOST_PROBES]
        rows = await connection.execute(statement, _arrays(some) if arrays else _documents(some))
        found += [(some[row.n], _candidate(row)) for row in rows]
    return found


_COLUMNS = (
    exchanges.c.id,
    exchanges.c.user_id,
    exchanges.c.token_id,
    exchanges.c.finished_at,
    exchanges.c.prompt_hash,
    exchanges.c.answer_hash,
    exchanges.c.pair_hash,
    exchanges.c.upstream_id,
    exchanges.c.conversation_id,
    exchanges.c.system_hash,
)


def _candidate(row: Any) -> Candidate:
    offer = Offer(
        row.id,
        row.user_id,
        row.token_id,
        row.finished_at,
        row.prompt_hash,
        row.answer_hash,
        row.pair_hash,
        row.upstream_id,
    )
    return Candidate(offer, row.conversation_id, row.system_hash)


def _matching(table: FromClause, key: Key, probe: FromClause) -> list[ColumnElement[bool]]:
    return [
        table.c[key] == probe.c.hash,
        table.c.user_id == probe.c.user_id,
        table.c.id < probe.c.before,
        or_(
            probe.c.conversation_id.is_(None),
            table.c.conversation_id == probe.c.conversation_id,
        ),
    ]


@cache
def _on_postgres(key: Key) -> Select[Any]:
    """The probes as arrays; `LATERAL` reads no more of an index than the answer needs."""
    types: dict[str, TypeEngine[Any]] = {
        "hash": LargeBinary(),
        "user_id": BigInteger(),
        "before": Uuid(),
        "conversation_id": Uuid(),
    }
    arrays: list[ColumnElement[Any]] = [
        cast(bindparam(name), ARRAY(kind)) for name, kind in types.items()
    ]
    probe = (
        func.unnest(*arrays)
        .table_valued(*types, with_ordinality="n", name="probe")
        .render_derived()
    )
    found = (
        select(*_COLUMNS)
        .where(*_matching(exchanges, key, probe))
        .order_by(exchanges.c.id.desc())
        .limit(MOST_ALIKE)
        .correlate(probe)
        .lateral("found")
    )
    return select((probe.c.n - 1).label("n"), found).select_from(probe.join(found, true()))


def _arrays(probes: Sequence[Probe]) -> dict[str, list[Any]]:
    return {name: [getattr(probe, name) for probe in probes] for name in Probe._fields}


@cache
def _on_sqlite(key: Key) -> Select[Any]:
    """The probes as a JSON array; their hashes, which JSON cannot hold, end to end in one blob."""
    each = func.json_each(bindparam("probes")).table_valued("key", "value", name="each")
    probe = select(
        each.c.key.label("n"),
        func.substr(bindparam("hashes", type_=LargeBinary), each.c.key * 32 + 1, 32).label("hash"),
        func.json_extract(each.c.value, "$[0]").label("user_id"),
        func.json_extract(each.c.value, "$[1]").label("before"),
        func.json_extract(each.c.value, "$[2]").label("conversation_id"),
    ).subquery("probe")
    earlier = exchanges.alias("earlier")
    latest = (
        select(earlier.c.id)
        .where(*_matching(earlier, key, probe))
        .order_by(earlier.c.id.desc())
        .limit(MOST_ALIKE)
        .correlate(probe)
    )
    return select(probe.c.n, *_COLUMNS).select_from(
        probe.join(exchanges, exchanges.c.id.in_(latest))
    )


def _documents(probes: Sequence[Probe]) -> dict[str, Any]:
    """Ids as SQLAlchemy keeps them in SQLite: 32 hexadecimal digits."""
    rows = [
        (probe.user_id, probe.before.hex, probe.conversation_id and probe.conversation_id.hex)
        for probe in probes
    ]
    return {
        "probes": msgspec.json.encode(rows).decode(),
        "hashes": b"".join(probe.hash for probe in probes),
    }

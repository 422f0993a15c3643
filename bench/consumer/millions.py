"""Millions of records in a database of its own, made by the server itself, month by month.

They have all their columns and short bodies; the hashes that linking finds parents by are random,
and their indexes are left out: no read needs them. A conversation of a thousand messages is made by
the consumer's own code, from real records.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

import asyncpg
from sqlalchemy.engine import URL

from bench.consumer.places import shown
from bench.consumer.talks import MODEL
from common.database import make_engine
from common.frames import FrameKind, encode_frame
from common.ids import first_id
from common.record import SCHEMA_VERSION, Begin, End, encode
from consumer.linker import Linker
from consumer.prepare import Preparer
from consumer.store import Store
from consumer.tokens.encodings import Encodings
from consumer.usage import Meter

PEOPLE = 1000
BUSY, TALKER, ADMIN = "person-1", "person-2", "bench-admin"
"""Who has a tenth of all records; who has the long conversation; who sees everything."""
MONTHS = 12
LONG_EXCHANGES = 500
RARE_MODEL, RARE_KIND, RARE_STATUS = "gpt-rare", "audio", "interrupted"
_CHUNK = 100_000
_LATE = (
    "ix_records_user_id_id",
    "ix_exchanges_user_id_id",
    "ix_exchanges_conversation_id_started_at",
    "ix_exchanges_parent_id",
    "ix_conversations_user_id_updated_at",
    "ix_conversations_updated_at",
)
"""Indexes that are made after the rows, which is quicker."""
_LEFT_OUT = (
    "ix_exchanges_answer_hash_id",
    "ix_exchanges_prompt_hash_id",
    "ix_exchanges_user_id_pair_hash_id",
    "ix_exchanges_user_id_upstream_id_id",
    "uq_conversations_user_id_hint",
)

Say = Callable[[str], None]


def fill(database: URL, count: int, say: Say) -> None:
    asyncio.run(_fill(database, count, say))


async def _fill(database: URL, count: int, say: Say) -> None:
    connection = await asyncpg.connect(shown(database))
    try:
        if await connection.fetchval("SELECT count(*) FROM users"):
            say("the rows of an earlier run are used again")
            return
        await connection.execute("SET synchronous_commit = off; SET maintenance_work_mem = '512MB'")
        await _months(connection)
        await connection.execute(_FUNCTIONS)
        late = await _without_indexes(connection)
        await _rows(connection, count, say)
        for number, statement in enumerate(late, 1):
            say(f"index {number} of {len(late)}")
            await connection.execute(statement)
        say("usage and statistics")
        await connection.execute(_USAGE)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    await _long_conversation(database, say)


async def _months(connection: asyncpg.Connection) -> None:
    """Partitions for the months behind us, as if they had been made in time."""
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(MONTHS):
        name = f"records_{month:%Y_%m}"
        following = (month + timedelta(days=32)).replace(day=1)
        if not await connection.fetchval("SELECT to_regclass($1)", name):
            bounds = f"FROM ('{first_id(month)}') TO ('{first_id(following)}')"
            await connection.execute(
                f"CREATE TABLE {name} PARTITION OF records FOR VALUES {bounds}"
            )
        month = (month - timedelta(days=1)).replace(day=1)


async def _without_indexes(connection: asyncpg.Connection) -> list[str]:
    """Drops them; returns how to make them again."""
    late = []
    for name in (*await _of_records(connection), *_LATE, *_LEFT_OUT):
        made = await connection.fetchval(
            "SELECT indexdef FROM pg_indexes WHERE indexname = $1", name
        )
        if made is None:
            continue
        await connection.execute(f'DROP INDEX "{name}"')
        if name not in _LEFT_OUT:
            late.append(made.replace(" ON ONLY ", " ON "))
    return late


async def _of_records(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT indexname FROM pg_indexes WHERE tablename = 'records' AND indexname LIKE 'ix%'"
    )
    return [row["indexname"] for row in rows if row["indexname"] not in _LATE]


_FUNCTIONS = """
CREATE FUNCTION bench_moment(n bigint, total bigint) RETURNS timestamptz STABLE AS $$
  SELECT date_trunc('month', now()) - interval '11 months'
    + (now() - date_trunc('month', now()) + interval '11 months') * ((n + 1)::float8 / (total + 1))
$$ LANGUAGE sql;
CREATE FUNCTION bench_id(n bigint, total bigint) RETURNS uuid STABLE AS $$
  SELECT (lpad(to_hex((extract(epoch FROM bench_moment(n, total)) * 1000)::bigint), 12, '0')
    || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid
$$ LANGUAGE sql;
CREATE FUNCTION bench_person(n bigint) RETURNS bigint IMMUTABLE AS $$
  SELECT CASE WHEN (n / 4) % 10 = 0 THEN 1 ELSE 3 + abs(hashint8(n / 4)) % 997 END::bigint
$$ LANGUAGE sql;
"""
"""Four exchanges make a conversation; every tenth conversation is the busy person's."""

_USERS = """
INSERT INTO users (id, name, role, created_at)
SELECT n, 'person-' || n, 'member', now() FROM generate_series(1, $1::bigint) n
"""
_RECORDS = """
INSERT INTO records (id, user_id, token_id, kind, method, path, model, model_used, status,
  http_status, streamed, client_address, upstream, attempts, started_at, finished_at,
  prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, usage_source,
  request_type, request, request_size_bytes, response_type, response, response_size_bytes, codec,
  version)
SELECT bench_id(n, $3), bench_person(n), bench_person(n),
  CASE WHEN n % 50021 = 7 THEN 'audio' WHEN n % 11 = 0 THEN 'embedding' ELSE 'chat' END,
  'POST', '/chat/completions',
  CASE WHEN n % 100003 = 5 THEN 'gpt-rare' WHEN n % 10 < 7 THEN 'gpt-4o-mini' ELSE 'gpt-4o' END,
  'gpt-4o-mini-2024-07-18',
  CASE WHEN n % 100019 = 3 THEN 'interrupted' WHEN n % 67 = 0 THEN 'upstream_error'
    ELSE 'complete' END,
  200, false, '10.0.0.1', 'openai',
  '[{"upstream":"openai","credential":"key-0","seconds":0.8,"status":200}]',
  bench_moment(n, $3), bench_moment(n, $3) + interval '1 second', 400, 250, 0, 0, 'reported',
  'application/json', decode(repeat(md5(n::text), 4), 'hex'), 64,
  'application/json', decode(repeat(md5(n::text), 6), 'hex'), 96, 0, 1
FROM generate_series($1::bigint, $2::bigint) n
"""
_EXCHANGES = """
INSERT INTO exchanges (id, user_id, conversation_id, parent_id, link, shared_depth, prompt_hash,
  prompt_depth, started_at, finished_at, linker_version)
SELECT bench_id(n, $3), bench_person(n), bench_id(n - n % 4, $3),
  CASE WHEN n % 4 > 0 THEN bench_id(n - 1, $3) END, CASE WHEN n % 4 > 0 THEN 2 ELSE 0 END,
  (n % 4) * 2, decode(md5(n::text) || md5(n::text), 'hex'), (n % 4) * 2 + 1,
  bench_moment(n, $3), bench_moment(n, $3) + interval '1 second', 1
FROM generate_series($1::bigint, $2::bigint) n
"""
_CONVERSATIONS = """
INSERT INTO conversations (id, user_id, title, created_at, updated_at, exchange_count)
SELECT bench_id(n, $3), bench_person(n), 'A talk about ' || n, bench_moment(n, $3),
  bench_moment(n + 3, $3), 4
FROM generate_series($1::bigint, $2::bigint, 4) n
"""
_USAGE = """
INSERT INTO usage_daily
SELECT user_id, (started_at AT TIME ZONE 'UTC')::date, model, count(*), sum(prompt_tokens),
  sum(completion_tokens), sum(cached_tokens), sum(reasoning_tokens)
FROM records WHERE status <> 'upstream_error' GROUP BY 1, 2, 3
"""


async def _rows(connection: asyncpg.Connection, count: int, say: Say) -> None:
    await connection.execute(_USERS, PEOPLE)
    await connection.execute(
        "INSERT INTO users (id, name, role, created_at) VALUES ($1, $2, 'admin', now())",
        PEOPLE + 1,
        ADMIN,
    )
    began = monotonic()
    for first in range(0, count, _CHUNK):
        last = min(count, first + _CHUNK) - 1
        for statement in (_RECORDS, _EXCHANGES, _CONVERSATIONS):
            await connection.execute(statement, first, last, count)
        left_s = (monotonic() - began) / (last + 1) * (count - last - 1)
        say(f"{last + 1:,} of {count:,} records, {left_s / 60:.1f} minutes left")


async def _long_conversation(database: URL, say: Say) -> None:
    """Prompts that grow by two messages each, through the consumer's own store and linker."""
    say("a conversation of 1,000 messages")
    engine = make_engine(database.set(drivername="postgresql+asyncpg"))
    preparer = Preparer(Meter(Encodings()))
    frames = list(_long())
    for start in range(0, LONG_EXCHANGES, 50):
        some = frames[start : start + 50]
        await Store(engine).save([preparer.prepare(one) for one in some])
    while await Linker(engine).link_pending():
        pass
    await engine.dispose()


def _long() -> list[bytes]:
    said: list[dict[str, str]] = []
    every = []
    start = datetime.now(UTC) - timedelta(seconds=LONG_EXCHANGES)
    for number in range(LONG_EXCHANGES):
        moment = start + timedelta(seconds=number)
        said.append({"role": "user", "content": f"Question {number}. " + "Why is it so? " * 40})
        answer = {"role": "assistant", "content": f"Answer {number}. " + "Because it is so. " * 55}
        every.append(_frames(moment, number, said, answer))
        said.append(answer)
    return every


def _frames(
    moment: datetime, number: int, said: list[dict[str, str]], answer: dict[str, str]
) -> bytes:
    id = (first_id(moment).int | 7 << 76 | 2 << 62 | number).to_bytes(16, "big")
    began_us = int(moment.timestamp() * 1_000_000)
    usage = {"prompt_tokens": 100, "completion_tokens": 100}
    answered = {"choices": [{"index": 0, "message": answer}], "usage": usage}
    begin = Begin(
        id=id,
        version=SCHEMA_VERSION,
        kind="chat",
        method="POST",
        path="/chat/completions",
        user_id=int(TALKER.removeprefix("person-")),
        model=MODEL,
        started_at_us=began_us,
        request=json.dumps({"model": MODEL, "messages": said}).encode(),
    )
    end = End(
        status="complete",
        http_status=200,
        finished_at_us=began_us + 500_000,
        response_type="application/json",
        response=json.dumps(answered).encode(),
    )
    return encode_frame(FrameKind.BEGIN, id, encode(begin)) + encode_frame(
        FrameKind.END, id, encode(end)
    )

"""Whatever clients and upstreams do together: every call is recorded once, and nothing is left.

`--chaos-calls` says how many calls, `--chaos-seed` repeats a run; the seed is printed.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import SystemRandom
from typing import Any

import pytest
from sqlalchemy import select

from common.tables import records
from tests.support.chaos import Came, Plan, plans, play, script_of
from tests.support.fake_upstream import FakeUpstream
from tests.support.raw_upstream import RawUpstream, model_of
from tests.support.scene import Scene, scene
from tests.support.waiting import eventually
from tests.support.watching import CHAT, MIB, attempts, gauges, idle, question, resident_bytes

RETRIES, AT_ONCE = 2, 8
SETTINGS = {
    "RETRY_COUNT": str(RETRIES),
    "RETRY_TIME": "0.01",
    "POOL_WAIT_S": "0.2",
    "SERVER_WORKERS": "1",
}
KEYS = ",".join(f"sk-{number}@org" for number in range(6))
MAY_GROW = 48 * MIB

pytestmark = pytest.mark.timeout(3600)


@dataclass(frozen=True)
class World:
    """A gateway and its chaotic upstream."""

    house: Scene
    upstream: RawUpstream
    calls: int
    seed: int

    def live(self, all_plans: Sequence[Plan]) -> list[Came]:
        """Plays them, and waits until everything is over and what must be stored is."""
        token, port = self.house.token("alice"), self.house.gateway.port
        with ThreadPoolExecutor(AT_ONCE) as threads:
            came = list(threads.map(lambda plan: play(plan, port, token), all_plans))
        eventually(lambda: idle(self.house), "every call to be over")
        begun = set(self.asked()) | {one.plan.model for one in came if _is_begun(one)}
        models = select(records.c.model)

        def missing() -> set[str]:
            return begun - {row.model for row in self.house.stored.rows(models)}

        eventually(lambda: not missing(), "all of them to be stored", 60 + len(begun) / 10)
        return came

    def stored(self) -> dict[str, Any]:
        """The records by their models, of which each call has its own."""
        rows = self.house.stored.rows(select(records))
        by_model = {row.model: row for row in rows}
        assert len(by_model) == len(rows), "a call was recorded twice"
        return by_model

    def asked(self) -> Counter[str]:
        """How often the upstream was asked for each model."""
        return Counter(map(model_of, self.upstream.requests))


def _is_begun(came: Came) -> bool:
    return came.status is not None and came.plan.client not in ("half_a_body", "nonsense")


@pytest.fixture(scope="module")
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    calls = request.config.getoption("--chaos-calls")
    seed = request.config.getoption("--chaos-seed") or SystemRandom().randrange(2**32)
    with RawUpstream(script_of) as upstream:

        def prepare(_: FakeUpstream) -> dict[str, str]:
            return {"OPENAI_URL": upstream.url, "OPENAI_API_KEY": KEYS}

        with scene(tmp_path_factory.mktemp("chaos"), SETTINGS, prepare) as house:
            yield World(house, upstream, calls, seed)


def test_clients_alone_put_no_key_out(world: World) -> None:
    print(f"seed {world.seed}")
    for came in world.live(plans(world.seed, range(world.calls // 3), ["refused", "endless"])):
        if came.plan.client == "stays":
            assert came.status == (400 if came.plan.upstream == "refused" else 200), came
    outcomes = [name for name in gauges(world.house) if name.startswith("gateway_attempts")]
    assert outcomes
    fine = ('"2xx"', '"4xx"', '"left"')
    assert all(any(outcome in name for outcome in fine) for name in outcomes)
    for row in world.stored().values():
        assert len(attempts(row)) <= 1


def test_chaos_leaves_everything_in_order(world: World) -> None:
    print(f"seed {world.seed}")
    numbers = range(world.calls // 3, world.calls)
    chaos = plans(world.seed + 1, numbers)
    half = len(chaos) // 2
    came = world.live(chaos[:half])
    before = resident_bytes(world.house)
    came += world.live(chaos[half:])
    grown_bytes = resident_bytes(world.house) - before
    assert grown_bytes < MAY_GROW
    stored = world.stored()
    asked = world.asked()
    ends = Counter(row.status for row in stored.values())
    print(f"{world.calls} calls, records {dict(ends)}, grown by {grown_bytes / MIB:.1f} MiB")
    for one in came:
        _check(one, stored.get(one.plan.model), asked[one.plan.model])
    assert {row.status for row in stored.values()} == {
        "complete",
        "interrupted",
        "client_gone",
        "upstream_error",
    }
    eventually(lambda: not gauges(world.house)["gateway_spool_records"], "the spool to be empty")
    client = world.house.http("alice")
    good = question(f"fine-w-{world.calls}")
    eventually(lambda: client.post(CHAT, json=good).status_code == 200, "the keys to be back")


def _check(came: Came, record: Any, asked: int) -> None:
    """One call: what the client had, what is stored of it, how often the upstream was asked."""
    plan = came.plan
    assert asked <= 1 + RETRIES, came
    if plan.client in ("half_a_body", "nonsense"):
        assert (asked, record) == (0, None), came
        return
    if record is None:
        assert plan.client != "stays" and not asked, came
        return
    tried = attempts(record)
    assert len(tried) <= 1 + RETRIES, (came, tried)
    unasked = len(tried) - asked
    assert unasked == 0 or (unasked == 1 and tried[-1].outcome == "left"), (came, tried)
    assert record.status == "client_gone" or all(one.outcome != "left" for one in tried), came
    if came.status is not None:
        assert (str(record.id), record.http_status) == (came.id, came.status), came
    if plan.client == "stays" or came.ended:
        assert record.status == _status(came), (came, tried)
    elif plan.upstream == "endless" and asked:
        assert record.status == "client_gone", (came, tried)


def _status(came: Came) -> str:
    """What the record of a client who stayed, or had its answer whole, must say."""
    if came.status is None or not came.ended or b"event: error" in came.body:
        return "interrupted"
    if came.status >= 400:
        return "upstream_error"
    assert not came.plan.streamed or b"data: [DONE]\n\n" in came.body, came
    return "complete"

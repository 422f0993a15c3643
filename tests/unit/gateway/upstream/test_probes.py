"""Probing rejected keys, over a scripted wire and a clock that is a number."""

import pytest
from structlog.testing import capture_logs

from gateway.upstream.credential import Upstream
from gateway.upstream.pool import Pool
from gateway.upstream.probes import PROBE_MAX_S, PROBE_S, Prober
from gateway.upstream.retry import FINE, Blame, Verdict
from gateway.upstream.wire import Lost, WireError
from tests.support.scripted_wire import ScriptedAnswer, ScriptedTransport, credentials

UPSTREAM = Upstream("azure", "https://azure.example/v1", probe_path="/deployments?top=1")
REJECTED = ScriptedAnswer(401, (b'{"error": {"code": "invalid_api_key"}}',))


class Ward:
    """A pool of one key, its prober, and the time."""

    def __init__(self, answer: ScriptedAnswer | WireError, *, mine: bool = True) -> None:
        self.now, self.answer = 1000.0, answer
        self.wire = ScriptedTransport(lambda request: self._fresh())
        pool = Pool(
            credentials(1, UPSTREAM),
            self.wire,
            lambda those, caller: [*those],
            retry_count=0,
            retry_time_s=0,
            wait_s=0,
        )
        self.health = pool.health["azure/key-0"]
        self.prober = Prober(pool, self.wire, lambda: mine, lambda: self.now)

    def _fresh(self) -> ScriptedAnswer | WireError:
        answer = self.answer
        if isinstance(answer, WireError):
            return answer
        return ScriptedAnswer(answer.status, answer.pieces)

    def attempt(self, blame: Blame) -> None:
        self.health.judged(Verdict(blame), self.now, None, self.health.taken())

    async def probed_within(self, seconds: float) -> list[float]:
        """When a probe was sent, in seconds from now; looked for at every one."""
        begin, found = self.now, []
        while self.now < begin + seconds:
            self.now += 1
            before = len(self.wire.sent)
            await self.prober.look()
            found += [self.now - begin] * (len(self.wire.sent) - before)
        return found


async def test_a_rejected_key_is_probed_where_its_upstream_says_and_is_back() -> None:
    ward = Ward(ScriptedAnswer())
    ward.attempt(Blame.REJECTED)
    times = await ward.probed_within(60)
    assert len(times) == 1 and 0.8 * PROBE_S <= times[0] <= 1.2 * PROBE_S + 1
    asked = ward.wire.sent[0]
    assert (asked.method, asked.target) == (b"GET", b"/deployments?top=1")
    assert ward.wire.keys == ["secret-0"]
    assert ward.health.unavailable(ward.now, "any") is None


@pytest.mark.parametrize("answer", [REJECTED, ScriptedAnswer(500), Lost()])
async def test_what_does_not_pass_is_tried_ever_more_seldom(
    answer: ScriptedAnswer | WireError,
) -> None:
    ward = Ward(answer)
    ward.attempt(Blame.REJECTED)
    with capture_logs() as lines:
        times = await ward.probed_within(3000)
    pauses = [b - a for a, b in zip([0, *times], times, strict=False)]
    for turn, pause in enumerate(pauses):
        due = min(PROBE_MAX_S, PROBE_S * 2**turn)
        assert 0.8 * due <= pause <= 1.2 * due + 1
    assert ward.health.unavailable(ward.now, "any") is not None
    assert {line["event"] for line in lines} == {"credential_probe_failed"}
    assert len(lines) == len(times)


@pytest.mark.parametrize("status", [400, 403, 404, 429])
async def test_what_is_no_rejection_passes(status: int) -> None:
    ward = Ward(ScriptedAnswer(status))
    ward.attempt(Blame.REJECTED)
    await ward.probed_within(60)
    assert ward.health.unavailable(ward.now, "any") is None


async def test_a_key_rejected_again_after_passing_is_probed_more_seldom() -> None:
    ward = Ward(ScriptedAnswer(404))
    pauses = []
    for _ in range(3):
        ward.attempt(Blame.REJECTED)
        pauses += await ward.probed_within(200)
    assert pauses[0] < pauses[1] < pauses[2]


async def test_one_that_held_begins_anew() -> None:
    ward = Ward(ScriptedAnswer())
    for _ in range(2):
        ward.attempt(Blame.REJECTED)
        times = await ward.probed_within(PROBE_MAX_S + 100)
        assert times[0] <= 1.2 * PROBE_S + 1


@pytest.mark.parametrize("blame", [Blame.EXHAUSTED, Blame.COOLING, Blame.NONE])
async def test_only_rejected_keys_are_probed(blame: Blame) -> None:
    ward = Ward(ScriptedAnswer())
    ward.attempt(blame)
    assert await ward.probed_within(4000) == []


async def test_what_an_admin_put_out_is_left_alone() -> None:
    ward = Ward(ScriptedAnswer())
    ward.attempt(Blame.REJECTED)
    ward.health.withdraw(ward.now)
    assert await ward.probed_within(100) == []


async def test_the_probes_of_another_worker_are_not_ours() -> None:
    ward = Ward(ScriptedAnswer(), mine=False)
    ward.attempt(Blame.REJECTED)
    assert await ward.probed_within(100) == []


async def test_a_call_that_began_before_does_not_bring_it_back() -> None:
    ward = Ward(REJECTED)
    early = ward.health.taken()
    ward.attempt(Blame.REJECTED)
    ward.health.judged(FINE, ward.now, None, early)
    assert len(await ward.probed_within(60)) == 1

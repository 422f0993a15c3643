"""Health as a state machine: the clock is a number."""

import pytest

from gateway.upstream.health import FOREVER, MODELS_KEPT, Health, Rest, State
from gateway.upstream.retry import FINE, Blame, Verdict

FAILED, REJECTED, EXHAUSTED = (
    Verdict(blame) for blame in (Blame.FAILED, Blame.REJECTED, Blame.EXHAUSTED)
)


def cooling(rest_s: float | None = None) -> Verdict:
    return Verdict(Blame.COOLING, rest_s=rest_s)


def tried(health: Health, verdict: Verdict, now: float, model: str | None = None) -> None:
    """One attempt, over at once."""
    health.judged(verdict, now, model, health.taken())


def usable_from(health: Health, begin: float, model: str | None = None) -> float:
    """The first whole second from then on at which it may be used."""
    at = begin
    while health.unavailable(at, model) is not None:
        at += 1
        assert at < begin + 200_000, "never"
    return at


def test_a_new_credential_may_be_used() -> None:
    assert Health().unavailable(0, "gpt") is None
    assert Health().condition(0).state is State.AVAILABLE


def test_a_rate_limit_rests_this_model_only_and_as_long_as_asked() -> None:
    health = Health()
    tried(health, cooling(20), 100, "gpt")
    rest = health.unavailable(119, "gpt")
    assert rest is not None
    assert (rest.reason, rest.until) == (Blame.COOLING, 120)
    assert health.unavailable(119, "other") is None
    assert health.unavailable(120, "gpt") is None
    condition = health.condition(110)
    assert (condition.state, condition.since, condition.until) == (State.COOLING, 100, 120)
    assert condition.models == ("gpt",)
    assert health.condition(120).state is State.AVAILABLE


def test_the_longest_rest_wins() -> None:
    health = Health()
    tried(health, cooling(60), 0, "gpt")
    tried(health, cooling(1), 1, "gpt")
    assert health.unavailable(59, "gpt") is not None


def test_a_rest_that_is_not_asked_for_doubles_with_full_jitter() -> None:
    longest = [0.0] * 8
    for _ in range(200):
        health, now = Health(), 0.0
        for turn in range(8):
            tried(health, cooling(), now, "gpt")
            rest = health.unavailable(now, "gpt")
            assert rest is not None and now + 0.1 <= rest.until <= now + min(60, 2**turn)
            longest[turn] = max(longest[turn], rest.until - now)
            now = rest.until
    assert longest[0] <= 1 < longest[3] <= 8 < longest[7] <= 60


def test_a_burst_of_rate_limits_is_one() -> None:
    health = Health()
    tickets = [health.taken() for _ in range(50)]
    for ticket in tickets:
        health.judged(cooling(), 0, "gpt", ticket)
    rest = health.unavailable(0, "gpt")
    assert rest is not None and rest.until <= 1
    assert health.rests(0)[0].times == 1


def test_thousands_of_rate_limits_in_a_row_overflow_nothing() -> None:
    health, now = Health(), 0.0
    for _ in range(2000):
        tried(health, cooling(), now, "gpt")
        now += 60
    assert health.unavailable(now, "gpt") is None


def test_a_success_after_the_rest_begins_anew() -> None:
    health = Health()
    for at in (0, 60, 120):
        tried(health, cooling(), at, "gpt")
    tried(health, FINE, 200, "gpt")
    tried(health, cooling(), 201, "gpt")
    assert health.unavailable(202, "gpt") is None


def test_made_up_models_take_bounded_room() -> None:
    health = Health()
    for n in range(10 * MODELS_KEPT):
        tried(health, cooling(100 + n), 0, f"model-{n} " + "x" * 10_000)
    kept = health.rests(0)
    assert len(kept) == MODELS_KEPT
    assert max(len(rest.model or "") for rest in kept) <= 256
    assert min(rest.until for rest in kept) == 100 + 9 * MODELS_KEPT, "the longest are kept"


def test_no_provider_may_ask_for_more_than_a_day() -> None:
    health = Health()
    tried(health, cooling(9e6), 0, "gpt")
    assert health.unavailable(24 * 3600, "gpt") is None


def test_five_failures_in_a_row_open_the_breaker_and_one_probe_closes_it() -> None:
    health = Health()
    for _ in range(4):
        tried(health, FAILED, 0)
    assert health.unavailable(0, None) is None
    tried(health, FAILED, 0)
    assert health.unavailable(4.9, None) is not None
    assert health.condition(4.9).state is State.OPEN
    assert health.unavailable(5, None) is None
    assert health.condition(5).state is State.HALF_OPEN
    ticket = health.taken()
    assert health.unavailable(5, None) is not None, "one probe at a time"
    health.judged(FINE, 6, None, ticket)
    assert health.unavailable(6, None) is None
    assert health.recoveries == 1


def test_each_opening_is_longer_than_the_last_up_to_five_minutes() -> None:
    health, now, rests = Health(), 0.0, []
    for _ in range(5):
        tried(health, FAILED, now)
    for _ in range(70):
        back = usable_from(health, now)
        rests.append(back - now)
        now = back
        tried(health, FAILED, now)
    assert rests[:4] == [5, 10, 15, 20]
    assert rests[-1] == 300


def test_a_key_that_flaps_stays_open_longer_and_one_that_held_begins_anew() -> None:
    health, now, rests = Health(), 0.0, []
    for pause in (0, 0, 301):
        now += pause
        while health.unavailable(now, None) is None:
            tried(health, FAILED, now)
        back = usable_from(health, now)
        rests.append(back - now)
        now = back
        tried(health, FINE, now)
    assert rests == [5, 10, 5]


def test_failures_that_began_before_it_opened_open_it_once() -> None:
    health = Health()
    tickets = [health.taken() for _ in range(50)]
    for ticket in tickets:
        health.judged(FAILED, 0, None, ticket)
    assert usable_from(health, 0) == 5


def test_a_success_that_began_before_it_was_taken_out_proves_nothing() -> None:
    health = Health()
    early = health.taken()
    tried(health, REJECTED, 1)
    health.judged(FINE, 2, None, early)
    assert health.unavailable(2, None) is not None


def test_only_the_probe_frees_the_probe() -> None:
    health = Health()
    early = health.taken()
    for _ in range(5):
        tried(health, FAILED, 0)
    probe = health.taken()
    health.left(early)
    assert health.unavailable(5, None) is not None
    health.left(probe)
    assert health.unavailable(5, None) is None, "its client went away"


def test_half_of_many_failing_opens_it_too() -> None:
    health = Health()
    for verdict in (FAILED, FINE, FAILED, FINE):
        tried(health, verdict, 0)
    assert health.unavailable(1, None) is None, "too few to tell"
    tried(health, FAILED, 1)
    assert health.unavailable(1, None) is not None


def test_successes_before_the_first_failure_count() -> None:
    health = Health()
    for n in range(100):
        tried(health, FINE, n / 10)
    for verdict in (FAILED, FAILED, FINE, FAILED, FAILED, FINE, FAILED):
        tried(health, verdict, 11)
    assert health.unavailable(11, None) is None


def test_failures_long_past_are_forgotten() -> None:
    health = Health()
    for at in (0, 40, 80, 120, 160):
        tried(health, FAILED, at)
        tried(health, FINE, at)
    assert health.unavailable(160, None) is None


def test_quota_rests_half_an_hour_doubling_to_a_day_until_a_call_passes() -> None:
    health, now, rests = Health(), 0.0, []
    for _ in range(8):
        tried(health, EXHAUSTED, now)
        rest = health.unavailable(now, None)
        assert rest is not None and rest.reason is Blame.EXHAUSTED
        rests.append((rest.until - now) / 60)
        now = rest.until
    assert rests == [30, 60, 120, 240, 480, 960, 1440, 1440]
    tried(health, FINE, now)
    tried(health, EXHAUSTED, now)
    assert health.unavailable(now + 1801, None) is None


def test_a_burst_of_spent_quota_rests_half_an_hour() -> None:
    health = Health()
    tickets = [health.taken() for _ in range(50)]
    for ticket in tickets:
        health.judged(EXHAUSTED, 0, None, ticket)
    assert health.unavailable(1800, None) is None


def test_a_rejected_key_is_out_until_a_probe_passes() -> None:
    health = Health()
    tried(health, REJECTED, 0)
    rest = health.unavailable(1e9, "any")
    assert rest is not None and rest.reason is Blame.REJECTED
    condition = health.condition(1e9)
    assert (condition.state, condition.since, condition.until) == (State.OUT, 0, None)
    health.recovered(1e9)
    assert health.unavailable(1e9, None) is None


@pytest.mark.parametrize("verdict", [cooling(0), FINE])
def test_a_probe_that_is_rate_limited_or_badly_asked_proves_that_it_answers(
    verdict: Verdict,
) -> None:
    health = Health()
    for _ in range(5):
        tried(health, FAILED, 0)
    tried(health, verdict, 5)
    assert health.condition(5).state is State.AVAILABLE


def test_a_probe_of_spent_quota_that_fails_otherwise_proves_nothing() -> None:
    health = Health()
    tried(health, EXHAUSTED, 0)
    tried(health, FAILED, 1800)
    condition = health.condition(1801)
    assert (condition.state, condition.reason, condition.since) == (State.OUT, Blame.EXHAUSTED, 0)
    assert health.unavailable(1805, None) is None


def test_what_an_admin_puts_out_stays_out_and_keeps_its_verdicts() -> None:
    health = Health()
    tried(health, EXHAUSTED, 0)
    health.withdraw(10)
    assert health.unavailable(5000, None) is not None
    assert health.condition(5000).reason is Blame.WITHDRAWN
    health.withdraw(11)
    assert health.condition(5000).since == 10, "out already"
    health.withdraw(None)
    assert health.condition(100).reason is Blame.EXHAUSTED


def test_what_others_found_holds_here_and_the_longest_wins() -> None:
    health = Health()
    health.learn(Rest(Blame.FAILED, None, 0, 20, 4))
    health.learn(Rest(Blame.FAILED, None, 0, 10, 2))
    health.learn(Rest(Blame.COOLING, "gpt", 0, 30, 1))
    assert usable_from(health, 0) == 20
    assert usable_from(health, 0, "gpt") == 30
    tried(health, FAILED, 20)
    assert usable_from(health, 20) == 45, "opened for the fifth time"
    health.learn(Rest(Blame.REJECTED, None, 21, FOREVER, 1))
    assert health.condition(50).state is State.OUT


def test_attempts_and_failures_are_counted() -> None:
    health = Health()
    for verdict in (FINE, FAILED, cooling(1), FINE):
        tried(health, verdict, 0)
    assert (health.calls, health.failures) == (4, 2)


def test_a_clients_own_errors_put_nothing_out() -> None:
    health = Health()
    for at in range(100):
        tried(health, FINE, at, "gpt")
    assert health.unavailable(100, "gpt") is None


def test_who_asks_for_leave_tries_again_with_it_alone() -> None:
    health = Health()
    health.asks = True
    for _ in range(5):
        tried(health, FAILED, 0)
    assert health.unavailable(4, None) is not None and not health.asked
    assert health.unavailable(6, None) is not None and health.asked
    health.allowed = True
    assert health.unavailable(6, None) is None
    ticket = health.taken()
    assert health.probing and not health.allowed
    health.left(ticket)
    assert health.unavailable(7, None) is not None, "leave is for one call"
    health.asks = False
    assert health.unavailable(7, None) is None

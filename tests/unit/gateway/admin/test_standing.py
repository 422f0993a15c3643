"""Reports of several workers, put together."""

from gateway.admin.standing import Standing, standing, together
from gateway.upstream.credential import Credential, Upstream
from gateway.upstream.health import Health, State
from gateway.upstream.retry import Blame, Verdict

KEY = Credential(Upstream("openai", "https://x/v1"), "key-0", "team", "sk-canary")


def said(state: State = State.AVAILABLE, **more: object) -> Standing:
    fields = {"upstream": "openai", "label": "key-0", "account": "team", "why": "none"}
    return Standing(**{**fields, "since": None, "until": None, **more}, state=state)  # type: ignore[arg-type]


def test_a_standing_tells_how_a_key_is_and_never_the_key() -> None:
    health = Health()
    health.judged(Verdict(Blame.COOLING, rest_s=20), 100, "gpt", health.taken())
    found = standing(KEY, health, 3, 110, 5000)
    assert (found.id, found.account, found.state) == ("openai/key-0", "team", State.COOLING)
    assert (found.since, found.until, found.models) == (5100, 5120, ("gpt",))
    assert (found.calls, found.failures, found.in_flight) == (1, 1, 3)
    assert "canary" not in repr(found)


def test_counts_are_summed_and_the_worst_state_is_shown() -> None:
    (one,) = together(
        [
            [said(calls=3, failures=1, in_flight=1)],
            [said(State.OPEN, why="failed", since=7.0, until=20.0, calls=4, failures=2)],
            [said(State.OPEN, why="failed", since=5.0, until=12.0, in_flight=2)],
        ]
    )
    assert (one.calls, one.failures, one.in_flight) == (7, 3, 3)
    assert (one.state, one.why, one.since, one.until) == (State.OPEN, "failed", 5.0, 20.0)
    assert (one.workers, one.workers_in_state) == (3, 2)


def test_not_knowing_until_when_is_worse_than_knowing() -> None:
    (one,) = together([[said(State.OUT, until=9e9, why="exhausted")], [said(State.OUT)]])
    assert one.until is None


def test_keys_are_listed_by_id_and_nothing_is_nothing() -> None:
    listed = together([[said(label="b")], [said(label="a")], []])
    assert [one.id for one in listed] == ["openai/a", "openai/b"]
    assert together([]) == []

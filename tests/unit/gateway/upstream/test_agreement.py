"""Several workers agree by rounds over a shared dictionary; clocks are numbers, and differ."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.agreement import Agreement
from gateway.upstream.health import Condition, Health, State
from gateway.upstream.pool import Pool
from gateway.upstream.retry import FINE, Blame, Verdict
from tests.support.scripted_wire import ScriptedAnswer, ScriptedTransport, credentials


class Worker:
    """A pool of one key, on a clock that is off by `ahead_s`."""

    def __init__(self, ahead_s: float = 0.0) -> None:
        self.pool = Pool(
            credentials(1),
            ScriptedTransport(lambda request: ScriptedAnswer()),
            lambda those, caller: [*those],
            retry_count=0,
            retry_time_s=0,
            wait_s=0,
        )
        self.ahead_s = ahead_s
        self.agreement = Agreement(self.pool)

    @property
    def health(self) -> Health:
        return self.pool.health["openai/key-0"]

    def attempt(self, verdict: Verdict, at: float, model: str | None = None) -> None:
        self.health.judged(verdict, at - self.ahead_s, model, self.health.taken())

    def round(self, store: dict[str, bytes], at: float) -> int:
        changed = self.agreement.round(store, at - self.ahead_s, self.ahead_s)
        store.update(changed)
        return len(changed)

    def condition(self, at: float) -> Condition:
        return self.health.condition(at - self.ahead_s)


REJECTED, EXHAUSTED, FAILED = (
    Verdict(blame) for blame in (Blame.REJECTED, Blame.EXHAUSTED, Blame.FAILED)
)


def test_what_one_finds_holds_for_the_other_and_so_does_its_end() -> None:
    one, other, store = Worker(5000.0), Worker(-300.0), dict[str, bytes]()
    one.attempt(REJECTED, 10_000)
    one.round(store, 10_000)
    other.round(store, 10_000)
    assert other.condition(10_000).state is State.OUT
    assert other.condition(10_000).since == 10_300, "10,000 by everybody's clock"
    other.health.recovered(10_305)
    other.round(store, 10_005)
    one.round(store, 10_005)
    assert one.condition(10_005).state is State.AVAILABLE


def test_rests_of_models_and_their_lengths_are_shared() -> None:
    one, other, store = Worker(), Worker(77.0), dict[str, bytes]()
    one.attempt(Verdict(Blame.COOLING, rest_s=20), 1000, "gpt")
    one.attempt(EXHAUSTED, 1000)
    one.round(store, 1000)
    other.round(store, 1000)
    assert other.condition(1000).until == 2800 - 77
    assert other.health.unavailable(2800 - 77, None) is None
    other.attempt(EXHAUSTED, 2800)
    assert other.condition(2800).until == 2800 - 77 + 3600, "the second time in a row"


def test_nothing_new_is_nothing_to_write() -> None:
    one, other, store = Worker(), Worker(3.0), dict[str, bytes]()
    one.attempt(EXHAUSTED, 1000)
    assert [one.round(store, 1000), other.round(store, 1000)] == [1, 0]
    for at in range(1001, 1100):
        assert one.round(store, at) + other.round(store, at) == 0


def test_an_update_that_was_overwritten_or_lost_is_written_again() -> None:
    one, other, store = Worker(), Worker(), dict[str, bytes]()
    one.attempt(EXHAUSTED, 1000)
    one.round(store, 1000)
    store.clear()
    other.round(store, 1001)
    one.round(store, 1001)
    other.round(store, 1002)
    assert other.condition(1002).state is State.OUT


def test_one_that_comes_later_learns_what_holds_and_not_what_is_over() -> None:
    one, store = Worker(), dict[str, bytes]()
    for _ in range(5):
        one.attempt(FAILED, 1000)
    one.round(store, 1000)
    early, late = Worker(1.0), Worker(2.0)
    early.round(store, 1004)
    late.round(store, 1006)
    assert early.condition(1004).state is State.OPEN
    assert late.condition(1006).state is State.AVAILABLE


def test_out_again_after_a_recovery_is_heard() -> None:
    one, other, store = Worker(), Worker(1000.0), dict[str, bytes]()
    one.attempt(REJECTED, 2000)
    one.round(store, 2000)
    one.health.recovered(2000)
    one.attempt(REJECTED, 2000)
    one.round(store, 2000)
    other.round(store, 2000)
    assert other.condition(2000).state is State.OUT


def test_garbage_in_the_store_changes_nothing_and_is_replaced() -> None:
    one, store = Worker(), dict[str, bytes]()
    one.attempt(REJECTED, 10)
    one.round(store, 10)
    (name,) = store
    store[name] = b"\xff not JSON"
    one.round(store, 11)
    assert one.condition(11).state is State.OUT
    assert store[name] != b"\xff not JSON"


steps = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from([REJECTED, EXHAUSTED, FAILED, FINE, "recovered", "round", "lost write"]),
        st.floats(0, 10),
    ),
    max_size=40,
)


@given(steps, st.lists(st.floats(-1e5, 1e5), min_size=3, max_size=3))
def test_in_the_end_all_agree(steps: list[tuple[int, object, float]], clocks: list[float]) -> None:
    workers, store, at = [Worker(ahead) for ahead in clocks], dict[str, bytes](), 1e6
    for number, step, pause in steps:
        at += pause
        worker = workers[number]
        if isinstance(step, Verdict):
            if worker.health.unavailable(at - worker.ahead_s, None) is None:
                worker.attempt(step, at)
        elif step == "recovered":
            worker.health.recovered(at - worker.ahead_s)
        elif step == "round":
            worker.round(store, at)
        else:
            worker.round(dict(store), at)
    for _ in range(3):
        for worker in workers:
            worker.round(store, at)
    shown = [worker.condition(at) for worker in workers]
    resting = {c.state for c in shown if c.state is not State.HALF_OPEN}
    assert len(resting - {State.AVAILABLE}) <= 1
    if resting - {State.AVAILABLE}:
        assert State.AVAILABLE not in resting
        assert State.HALF_OPEN not in {c.state for c in shown}
    assert all(worker.round(store, at) == 0 for worker in workers)

"""Changes of state are told once; the clock is a number."""

from structlog.testing import capture_logs

from gateway.upstream.conditions import Conditions
from gateway.upstream.health import State
from gateway.upstream.pool import Pool
from gateway.upstream.retry import Blame, Verdict
from tests.support.scripted_wire import ScriptedAnswer, ScriptedTransport, credentials


def test_each_change_is_one_line_and_one_turn_of_the_gauge() -> None:
    pool = Pool(
        credentials(2),
        ScriptedTransport(lambda request: ScriptedAnswer()),
        lambda those, caller: [*those],
        retry_count=0,
        retry_time_s=0,
        wait_s=0,
    )
    now, gauge = [0.0], []
    tested = Conditions(pool, lambda *seen: gauge.append(seen), lambda: now[0])
    health = pool.health["openai/key-0"]
    with capture_logs() as lines:
        tested.look()
        for _ in range(5):
            health.judged(Verdict(Blame.FAILED), 0, None, health.taken())
        tested.look()
        tested.look()
        now[0] = 5
        tested.look()
        health.recovered(5)
        health.withdraw(5)
        tested.look()
        health.withdraw(None)
        tested.look()
        pool.replace(pool.credentials[:1])
        tested.look()
    told = [(line["log_level"], line["state"], line["reason"], line["rest_s"]) for line in lines]
    assert told == [
        ("warning", "open", "failed", 5.0),
        ("info", "half_open", "failed", None),
        ("warning", "out", "withdrawn", None),
        ("info", "available", "none", None),
    ]
    assert {(line["upstream"], line["label"]) for line in lines} == {("openai", "key-0")}
    assert gauge == [
        ("openai", "key-0", State.AVAILABLE),
        ("openai", "key-1", State.AVAILABLE),
        ("openai", "key-0", State.OPEN),
        ("openai", "key-0", State.HALF_OPEN),
        ("openai", "key-0", State.OUT),
        ("openai", "key-0", State.AVAILABLE),
        ("openai", "key-1", None),
    ]

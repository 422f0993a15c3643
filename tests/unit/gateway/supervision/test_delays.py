"""How long a child that died has to wait."""

from gateway.supervision.family import HEALTHY_S, MAX_DELAY_S, Child


def child() -> Child:
    return Child("http-0", lambda: None, stop_s=1)


def test_delay_doubles_up_to_its_bound() -> None:
    dying = child()
    delays = [dying.delay_s(now=1.0) for _ in range(12)]
    assert delays[:3] == [0.1, 0.2, 0.4] and delays[-1] == MAX_DELAY_S


def test_healthy_minute_forgives() -> None:
    dying = child()
    for _ in range(5):
        dying.delay_s(now=1.0)
    dying.started_at = 100
    assert dying.delay_s(now=100 + HEALTHY_S) == 0.1

"""Metrics: what callers note is in the exposition, and no client can make a series."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import MOST_CREDENTIALS, MOST_UPSTREAMS, Metrics
from gateway.upstream.health import State


def samples(metrics: Metrics) -> dict[str, float]:
    """By name and sorted label values: `gateway_calls_total 2xx chat complete`."""
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    return {
        " ".join([s.name, *(value for _, value in sorted(s.labels.items()))]): s.value
        for family in text_string_to_metric_families(body.decode())
        for s in family.samples
    }


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(["openai", "azure"])


def test_call_is_in_flight_until_it_ended(metrics: Metrics) -> None:
    metrics.call_started()
    assert samples(metrics)["gateway_calls_in_flight"] == 1
    metrics.call_ended("chat", "complete", 200, 1.5, 0.0003)
    seen = samples(metrics)
    assert seen["gateway_calls_in_flight"] == 0
    assert seen["gateway_calls_total 2xx chat complete"] == 1


def test_durations_fall_into_their_buckets(metrics: Metrics) -> None:
    for seconds in (0.05, 3, 9_999):
        metrics.call_started()
        metrics.call_ended("chat", "complete", 200, seconds, 0.0003)
    seen = samples(metrics)
    assert seen["gateway_duration_seconds_bucket chat 0.05"] == 1
    assert seen["gateway_duration_seconds_bucket chat 5.0"] == 2
    assert seen["gateway_duration_seconds_bucket chat +Inf"] == 3
    assert seen["gateway_duration_seconds_count chat"] == 3
    assert seen["gateway_duration_seconds_sum chat"] == pytest.approx(10_002.05)
    assert seen["gateway_overhead_seconds_bucket 0.00025"] == 0
    assert seen["gateway_overhead_seconds_bucket 0.0005"] == 3


def test_what_is_not_in_a_list_is_other(metrics: Metrics) -> None:
    metrics.refused("spool_full")
    metrics.attempt("azure", "timeout")
    before = samples(metrics)
    for n in range(100):
        metrics.call_started()
        metrics.call_ended(f"kind{n}", f"status{n}", n * 7, 1, 1)
        metrics.refused(f"code{n}")
        metrics.attempt(f"upstream{n}", f"outcome{n}")
    seen = samples(metrics)
    assert before["gateway_refused_total spool_full"] == 1
    assert before["gateway_attempts_total timeout azure"] == 1
    assert seen["gateway_calls_total none other other"] == 100
    assert seen["gateway_refused_total other"] == 100
    assert seen["gateway_attempts_total other other"] == 100
    assert len(seen) < 60


def test_answer_that_was_none_has_no_http_status(metrics: Metrics) -> None:
    metrics.call_started()
    metrics.call_ended("response", "client_gone", None, 1, 0.1)
    assert samples(metrics)["gateway_calls_total none response client_gone"] == 1


def test_gauges_say_what_was_said_last(metrics: Metrics) -> None:
    assert "gateway_consumers" not in samples(metrics)
    metrics.spool(3, 4096)
    metrics.consumers(0)
    seen = samples(metrics)
    assert (seen["gateway_spool_records"], seen["gateway_spool_bytes"]) == (3, 4096)
    assert seen["gateway_consumers"] == 0 and seen["gateway_workers"] == 1
    metrics.consumers(None)
    assert "gateway_consumers" not in samples(metrics)


def test_workers_are_added_up(tmp_path: Path) -> None:
    first, second = Metrics(["openai"], tmp_path), Metrics(["openai"], tmp_path)
    for metrics in (first, second):
        metrics.call_started()
        metrics.spool(1, 10)
        metrics.consumers(2)
    for seen in (samples(first), samples(second)):
        assert (seen["gateway_calls_in_flight"], seen["gateway_spool_bytes"]) == (2, 20)
        assert (seen["gateway_consumers"], seen["gateway_workers"]) == (2, 2)


def test_what_came_with_a_reload_has_series_in_every_worker(tmp_path: Path) -> None:
    """Whoever takes the change up first, and whatever was there before."""
    first, second = (Metrics(["openai"], tmp_path, [("openai", "a")]) for _ in range(2))
    first.know(["far", "openai"], [("far", "b"), ("openai", "a")])
    second.know(["near", "openai"], [("near", "c")])
    first.know(["near"], [("near", "c")])
    for metrics in (first, second):
        metrics.attempt("near", "2xx")
        metrics.attempt("far", "2xx")
        metrics.credential("near", "c", State.OPEN)
    third = Metrics(["near"], tmp_path, [("near", "c")])  # in the place of one that died
    third.attempt("near", "2xx")
    for seen in map(samples, (first, second, third)):
        assert seen["gateway_attempts_total 2xx near"] == 3
        assert seen["gateway_attempts_total 2xx far"] == 1
        assert seen["gateway_attempts_total 2xx other"] == 1
        assert seen["gateway_credentials c open near"] == 2


def test_what_a_reload_took_away_is_still_counted_where_it_was(metrics: Metrics) -> None:
    metrics.know(["far"], [("far", "b")])
    metrics.credential("far", "b", State.OPEN)
    metrics.know(["near"], [("near", "c")])
    metrics.attempt("far", "2xx")  # begun before
    metrics.credential("far", "b", None)
    seen = samples(metrics)
    assert seen["gateway_attempts_total 2xx far"] == 1
    assert not [name for name in seen if name.startswith("gateway_credentials")]


def test_names_beyond_all_bounds_are_other(metrics: Metrics) -> None:
    for number in range(200):
        metrics.know([f"upstream-{number}"], [(f"upstream-{number}", f"{n}") for n in range(5)])
        metrics.attempt(f"upstream-{number}", "2xx")
        metrics.credential(f"upstream-{number}", "0", State.OPEN)
    seen = samples(metrics)
    assert seen["gateway_attempts_total 2xx other"] == 200 - MOST_UPSTREAMS + 2  # of the fixture
    assert sum(" open " in name for name in seen) == MOST_CREDENTIALS // 5 + 1


def test_each_key_is_in_one_state_per_worker(tmp_path: Path) -> None:
    keys = [("openai", "key-0"), ("azure", "a")]
    first, second = (Metrics(["openai"], tmp_path, keys) for _ in range(2))
    assert not [name for name in samples(first) if name.startswith("gateway_credentials")]
    for metrics, state in ((first, State.OUT), (second, State.AVAILABLE)):
        metrics.credential("openai", "key-0", state)
        metrics.credential("openai", "never configured", State.OUT)
    seen = {n: v for n, v in samples(second).items() if n.startswith("gateway_credentials")}
    assert seen == {
        f"gateway_credentials key-0 {state.value} openai": state in (State.OUT, State.AVAILABLE)
        for state in State
    }
    for metrics in (first, second):
        metrics.credential("openai", "key-0", None)
    assert not [name for name in samples(first) if name.startswith("gateway_credentials")]

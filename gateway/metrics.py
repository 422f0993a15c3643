"""What is counted and measured, for Prometheus.

Every label takes its values from a list that the program or its operator made, so that no client
can make series; what is not in the list is `other`. Nothing here names a person, a model or a key.
Where the numbers are kept, and how several workers share them: `gateway.numbers`, `gateway.places`.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, product
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from common.record import KINDS, Status
from gateway.errors import GatewayError
from gateway.numbers import Numbers
from gateway.places import Places
from gateway.upstream.health import State

OTHER = "other"
_GROUPS = (
    "audio", "batches", "compaction", "containers", "conversations", "evals", "files",
    "fine_tuning", "images", "models", "moderations", "realtime", "stored_chat", "stored_response",
    "token_count", "uploads", "vector_stores", "videos",
)  # fmt: skip
_KINDS = (*KINDS, *_GROUPS, OTHER)
_HTTP = ("none", "2xx", "3xx", "4xx", "5xx")
_OUTCOMES = (
    "1xx", "2xx", "3xx", "4xx", "5xx", "refused", "lost", "malformed", "timeout", "failed",
    "left", OTHER,
)  # fmt: skip
_DURATION_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
_OVERHEAD_S = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
)  # fmt: skip
_GAUGES = ("in_flight", "spool_records", "spool_bytes", "consumers", "held_bytes")
_STATES = tuple(State)
MOST_UPSTREAMS, MOST_CREDENTIALS = 64, 512
"""That can be told apart between two starts, those that a reload took away included."""

Labels = tuple[str, ...]


class Metrics:
    """One worker's counts; `render` gives those of all workers.

    `directory` is where several workers keep their numbers together; None: this one is alone.
    `credentials`: upstream and label of each.
    """

    def __init__(
        self,
        upstreams: Iterable[str] = (),
        directory: Path | None = None,
        credentials: Iterable[tuple[str, str]] = (),
    ) -> None:
        next_index = 0
        self._layout: dict[str, dict[Labels, int]] = {}
        for family, labels, width in (
            ("calls", product(_KINDS, (*Status, OTHER), _HTTP), 1),
            ("refused", ((code,) for code in [*sorted(set(_codes(GatewayError))), OTHER]), 1),
            ("duration", ((kind,) for kind in _KINDS), len(_DURATION_S) + 2),
            ("overhead", ((),), len(_OVERHEAD_S) + 2),
        ):
            indices = self._layout[family] = {}
            for values in labels:
                indices[tuple(map(str, values))] = next_index
                next_index += width
        self._attempts_from = next_index
        next_index += (MOST_UPSTREAMS + 1) * len(_OUTCOMES)
        self._gauges_from = next_index
        self._held_at = next_index + _GAUGES.index("held_bytes")
        self._numbers = Numbers(next_index, len(_GAUGES) + MOST_CREDENTIALS, directory)
        self._values = self._numbers.values
        self._set("consumers", math.nan)
        places = Places(MOST_UPSTREAMS + 1, "upstreams", directory)
        pairs = Places(MOST_CREDENTIALS, "credentials", directory)
        self._upstream_places, self._credential_places = places, pairs
        self._attempts: dict[Labels, int] = {}
        self._credentials: dict[Labels, int] = {}
        self.know(upstreams, credentials)
        self._registry = CollectorRegistry()
        families = _Families(self._layout, self._attempts_from, self._numbers, places, pairs)
        self._registry.register(families)

    def know(self, upstreams: Iterable[str], credentials: Iterable[tuple[str, str]]) -> None:
        """From now on these have series of their own, too. Raises OSError."""
        places = self._upstream_places.of([(OTHER,), *((name,) for name in upstreams)])
        self._attempts |= {
            (name, outcome): self._attempts_from + place * len(_OUTCOMES) + number
            for (name,), place in places.items()
            for number, outcome in enumerate(_OUTCOMES)
        }
        first = self._gauges_from + len(_GAUGES)
        found = self._credential_places.of(credentials)
        self._credentials |= {pair: first + place for pair, place in found.items()}

    def call_started(self) -> None:
        self._values[self._gauges_from] += 1

    def call_ended(
        self, kind: str, status: str, http_status: int | None, seconds: float, overhead_s: float
    ) -> None:
        """`overhead_s` is what the gateway itself took of `seconds`."""
        values, layout = self._values, self._layout
        values[self._gauges_from] -= 1
        if (kind,) not in layout["duration"]:
            kind = OTHER
        http = f"{http_status // 100}xx" if http_status else "none"
        calls = layout["calls"]
        values[calls.get((kind, status, http), calls[OTHER, OTHER, "none"])] += 1
        _observe(values, layout["duration"][(kind,)], _DURATION_S, seconds)
        _observe(values, layout["overhead"][()], _OVERHEAD_S, overhead_s)

    def refused(self, code: str) -> None:
        """A call that was refused before it had a record."""
        codes = self._layout["refused"]
        self._values[codes.get((code,), codes[(OTHER,)])] += 1

    def attempt(self, upstream: str, outcome: str) -> None:
        """`outcome` is the answer's class (`2xx`) or why there was none (`refused`, …)."""
        attempts = self._attempts
        if (upstream, OTHER) not in attempts:
            upstream = OTHER
        index = attempts.get((upstream, outcome), attempts[upstream, OTHER])
        self._values[index] += 1

    def held(self, size_bytes: int) -> None:
        """Of bodies in this worker's memory."""
        self._values[self._held_at] = size_bytes

    def credential(self, upstream: str, label: str, state: State | None) -> None:
        """What state this worker sees it in; None: it is no longer used."""
        index = self._credentials.get((upstream, label))
        if index is not None:
            self._values[index] = 0 if state is None else 1 + _STATES.index(state)

    def spool(self, records: int, size_bytes: int) -> None:
        """How much this worker has that waits for the broker."""
        self._set("spool_records", records)
        self._set("spool_bytes", size_bytes)

    def consumers(self, reading: int | None) -> None:
        """How many consumers read; None: not known."""
        self._set("consumers", math.nan if reading is None else reading)

    def render(self) -> tuple[bytes, str]:
        """The exposition and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4

    def _set(self, gauge: str, value: float) -> None:
        self._values[self._gauges_from + _GAUGES.index(gauge)] = value


class _Families(Collector):
    """All workers' numbers as families; series that are still zero are left out."""

    def __init__(
        self,
        layout: Mapping[str, Mapping[Labels, int]],
        attempts_from: int,
        numbers: Numbers,
        upstreams: Places,
        credentials: Places,
    ) -> None:
        self._layout, self._attempts_from, self._numbers = layout, attempts_from, numbers
        self._upstreams, self._credentials = upstreams, credentials

    def collect(self) -> Iterator[Metric]:
        counters, gauges = self._numbers.read()
        for family, help_text, names in (
            ("calls", "Calls that have a record, by kind, how they ended, and HTTP status.",
             ("kind", "status", "http")),
            ("refused", "Calls refused before they had a record, by error code.", ("code",)),
        ):  # fmt: skip
            metric = CounterMetricFamily(f"gateway_{family}", help_text, labels=names)
            for labels, index in self._layout[family].items():
                if counters[index]:
                    metric.add_metric(labels, counters[index])
            yield metric
        yield self._attempts(counters)
        yield self._histogram(counters, "duration", _DURATION_S, ("kind",),
                              "From a call's arrival to its answer's last byte.")  # fmt: skip
        yield self._histogram(counters, "overhead", _OVERHEAD_S, (),
                              "What the gateway itself took of a call.")  # fmt: skip
        yield from _gauges([row[: len(_GAUGES)] for row in gauges])
        yield self._states([row[len(_GAUGES) :] for row in gauges])

    def _attempts(self, counters: list[float]) -> Metric:
        metric = CounterMetricFamily(
            "gateway_attempts",
            "Tries of a credential, by upstream and outcome.",
            labels=("upstream", "outcome"),
        )
        for index, ((upstream,), outcome) in enumerate(product(self._upstreams.names(), _OUTCOMES)):
            if tries := counters[self._attempts_from + index]:
                metric.add_metric((upstream, outcome), tries)
        return metric

    def _states(self, rows: list[list[float]]) -> Metric:
        metric = GaugeMetricFamily(
            "gateway_credentials",
            "Workers that see a provider key in that state.",
            labels=("upstream", "label", "state"),
        )
        for place, pair in enumerate(self._credentials.names()):
            seen = [int(row[place]) for row in rows]
            for number, state in enumerate(_STATES, start=1):
                if any(seen):
                    metric.add_metric((*pair, state.value), seen.count(number))
        return metric

    def _histogram(
        self,
        counters: list[float],
        family: str,
        bounds: tuple[float, ...],
        names: tuple[str, ...],
        help_text: str,
    ) -> Metric:
        metric = HistogramMetricFamily(f"gateway_{family}_seconds", help_text, labels=names)
        for labels, index in self._layout[family].items():
            buckets = list(accumulate(counters[index : index + len(bounds) + 1]))
            if buckets[-1]:
                edges = [*map(str, map(float, bounds)), "+Inf"]
                total = counters[index + len(bounds) + 1]
                metric.add_metric(labels, list(zip(edges, buckets, strict=True)), total)
        return metric


def _gauges(rows: list[list[float]]) -> Iterator[Metric]:
    in_flight, records, size_bytes, consumers, held_bytes = zip(*rows, strict=True)
    yield GaugeMetricFamily("gateway_workers", "Workers that serve.", len(rows))
    yield GaugeMetricFamily("gateway_calls_in_flight", "Calls under way.", sum(in_flight))
    yield GaugeMetricFamily("gateway_spool_records", "Records not yet confirmed.", sum(records))
    yield GaugeMetricFamily("gateway_spool_bytes", "Bytes not yet confirmed.", sum(size_bytes))
    yield GaugeMetricFamily("gateway_held_bytes", "Bytes of bodies in memory.", sum(held_bytes))
    if known := [reading for reading in consumers if not math.isnan(reading)]:
        yield GaugeMetricFamily("gateway_consumers", "Consumers that read.", max(known))


def _observe(
    values: "memoryview[float]", index: int, bounds: tuple[float, ...], value: float
) -> None:
    values[index + bisect_left(bounds, value)] += 1
    values[index + len(bounds) + 1] += value


def _codes(error: type[GatewayError]) -> Iterator[str]:
    yield error.code
    for kind in error.__subclasses__():
        yield from _codes(kind)

"""When things are due: streams that arrive spread out, chunks that come at a rate. Pure."""

_GOLDEN = 0.618033988749895
"""Its multiples, taken without their whole part, fill an interval as evenly as can be."""


def arrivals(count: int, over_s: float, rate: float) -> list[float]:
    """Seconds after which each of `count` streams begins.

    They come evenly over `over_s`, and at all phases of the interval between two chunks: streams
    in step would reach the gateway as bursts.
    """
    interval_s = 1 / rate
    return [over_s * n / count + (n * _GOLDEN % 1) * interval_s for n in range(count)]


def due_s(began: float, rate: float, number: int) -> float:
    """When chunk `number`, counted from 0, is due: by the plan, however late the last one was."""
    return began + number / rate


def length_s(rate: float, chunks: int) -> float:
    """From the first chunk to the last."""
    return max(0, chunks - 1) / rate

"""Samples sorted by area."""

from bench.areas import LOOP, by_area, by_function

SERVING = "run (asyncio/runners.py:1);run_asgi (uvicorn/protocols/http/httptools_impl.py:4)"
ENTRY = f"{SERVING};__call__ (gateway/proxy/endpoints.py:5);run (gateway/proxy/exchange.py:9)"


def test_the_innermost_area_takes_the_sample() -> None:
    found = by_area(
        [
            f"{ENTRY};begin (gateway/recording/spool.py:7);encode (msgspec/x.py:1) 3",
            f"{ENTRY};send (uvicorn/protocols/http/httptools_impl.py:8) 2",
            f"{ENTRY};run (gateway/recording/publisher.py:8) 4",
            "run (asyncio/runners.py:1) 5",
            "",
        ]
    )
    assert found == {
        "recording in the spool": 3,
        "HTTP with the client": 2,
        "publishing to the consumer": 4,
        LOOP: 5,
    }


def test_threads_that_wait_for_work_are_not_counted() -> None:
    assert not by_area(["run (threading.py:9);_worker (concurrent/futures/thread.py:81) 9"])


def test_functions_are_counted_whatever_their_line() -> None:
    assert by_function(["a (x.py:1);b (y.py:2) 1", "b (y.py:7) 2"]) == {"b (y.py)": 3}

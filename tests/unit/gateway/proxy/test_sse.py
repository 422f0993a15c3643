"""Streams on their way through: whole events, unchanged bytes, nothing hidden but usage."""

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamCut
from gateway.proxy.sse import (
    MAX_EVENT_BYTES,
    EventRelay,
    data_of,
    error_event,
    events,
)
from gateway.upstream.wire import BadAnswer


def chunk(content: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    value = {"id": "c1", "choices": [choice], "usage": None}
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


USAGE = b'data: {"id":"c1","choices":[],"usage":{"prompt_tokens":3,"total_tokens":5}}\n\n'
DONE = b"data: [DONE]\n\n"
HELLO = chunk("Hello")
STREAM = chunk("Hello \u2028\u2029\u0085 world") + chunk("!", "stop")


def relayed(relay: EventRelay, pieces: Sequence[bytes]) -> bytes:
    out = []
    for piece in pieces:
        if relay.last is None:
            fed = relay.feed(piece)
            assert fed == b"" or fed.endswith((b"\n", b"\r")), "whole events only"
            out.append(fed)
    return b"".join(out)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("hide", [True, False])
def test_every_split_point_gives_the_same_bytes(ending: bytes, hide: bool) -> None:
    whole = (b": hi\n\n" + STREAM + USAGE + DONE).replace(b"\n", ending)
    wanted = whole[: whole.index(b"data: [DONE]")]
    if hide:
        wanted = wanted.replace(USAGE.replace(b"\n", ending), b"")
    for at in range(len(whole) + 1):
        relay = EventRelay(hide_usage=hide)
        assert relayed(relay, [whole[:at], whole[at:]]) == wanted
        assert relay.last == DONE.replace(b"\n", ending)
        assert (relay.usage is not None) is hide


@given(st.lists(st.integers(0, 400), max_size=12))
def test_any_fragmentation_gives_the_same_bytes(cuts: list[int]) -> None:
    whole = STREAM + USAGE + DONE
    points = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[a:b] for a, b in pairwise(points)]
    relay = EventRelay(hide_usage=True)
    assert relayed(relay, pieces) == STREAM
    assert json.loads(relay.usage or b"") == {"prompt_tokens": 3, "total_tokens": 5}


def test_nothing_after_the_end_is_relayed() -> None:
    relay = EventRelay()
    assert relay.feed(chunk("a") + DONE + chunk("b")) == chunk("a")
    assert relay.last == DONE


def test_done_inside_an_answer_is_not_the_end() -> None:
    relay = EventRelay()
    assert relay.feed(chunk("say [DONE] now")) == chunk("say [DONE] now")
    assert relay.last is None


def test_a_usage_beside_content_is_not_hidden() -> None:
    event = b'data: {"choices":[{"delta":{"content":"x"}}],"usage":{"total_tokens":1}}\n\n'
    relay = EventRelay(hide_usage=True)
    assert relay.feed(event) == event
    assert relay.usage is None


def test_a_usage_chunk_that_the_client_asked_for_is_relayed() -> None:
    assert EventRelay().feed(USAGE) == USAGE


def test_an_azure_chunk_without_choices_is_relayed() -> None:
    event = b'data: {"choices":[],"prompt_filter_results":[]}\n\n'
    assert EventRelay(hide_usage=True).feed(event) == event


def test_a_finish_reason_is_noticed() -> None:
    relay = EventRelay()
    relay.feed(chunk("a"))
    assert not relay.finished
    relay.feed(chunk("", "length"))
    assert relay.finished


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete", "response.failed"])
def test_a_response_ends_with_its_terminal_event(kind: str) -> None:
    before = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta"}\n\n'
    end = f'event: {kind}\ndata: {{"type":"{kind}","response":{{}}}}\n\n'.encode()
    relay = EventRelay(responses=True)
    assert relay.feed(before + end) == before
    assert relay.last == end


def test_a_terminal_name_inside_an_answer_is_not_the_end() -> None:
    value = {"type": "response.output_text.delta", "delta": "response.completed"}
    event = f"data: {json.dumps(value)}\n\n".encode()
    relay = EventRelay(responses=True)
    assert relay.feed(event) == event
    assert relay.last is None


def test_an_endless_event_is_refused() -> None:
    relay = EventRelay()
    with pytest.raises(BadAnswer):
        for _ in range(20):
            relay.feed(b"x" * (MAX_EVENT_BYTES // 10))


def test_an_event_that_no_blank_line_ended_is_kept_as_the_rest() -> None:
    relay = EventRelay()
    assert relay.feed(chunk("a") + b"data: {") == chunk("a")
    assert relay.rest() == b"data: {"


def test_data_lines_are_joined_and_lose_one_space() -> None:
    assert data_of(b"event: x\r\ndata: a\r\ndata:b\r\n: c\r\ndata:  d\r\n\r\n") == b"a\nb\n d"


def test_events_are_cut_at_blank_lines_only() -> None:
    text = "data: a\u2028b\n\ndata: c\n\n".encode()
    assert events(text) == ["data: a\u2028b\n\n".encode(), b"data: c\n\n"]


@pytest.mark.parametrize("responses", [True, False])
def test_an_error_event_is_what_every_client_raises_on(responses: bool) -> None:
    event = error_event(UpstreamCut(), responses=responses)
    assert event.startswith(b"event: error\ndata: {")
    assert event.endswith(b"\n\n")
    value = json.loads(data_of(event))
    assert value["error"]["code"] == "upstream_error"
    assert (value.get("type") == "error") is responses


@pytest.mark.parametrize(
    ("responses", "event"),
    [
        (False, b'data: {"error":{"message":"no","code":"server_error"}}\n\n'),
        (True, b'event: error\ndata: {"type":"error","code":"server_error","message":"no"}\n\n'),
    ],
)
def test_an_upstreams_own_error_ends_the_stream(responses: bool, event: bytes) -> None:
    relay = EventRelay(responses=responses)
    assert relay.feed(HELLO + event + DONE) == HELLO
    assert (relay.last, relay.failed) == (event, True)


def test_an_error_that_is_only_spoken_of_is_none() -> None:
    for event in (chunk('{"error": {}}'), b'data: {"error":null,"choices":[]}\n\n'):
        relay = EventRelay()
        assert relay.feed(event) == event
        assert not relay.failed

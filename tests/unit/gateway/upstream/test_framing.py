"""Framing without a socket: the same answer however its bytes are cut, and no wrong body ever."""

import gc
import weakref
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.framing import MAX_CHUNK_OVERHEAD_BYTES, MAX_HEAD_BYTES, Framing
from gateway.upstream.wire import BadAnswer, Lost, WireError
from tests.support.wire_answers import BAD, BAD_FOR_OURS, CHUNKS, GOOD, OK, Bad, Good, head

EVERY_BAD = (*BAD, *BAD_FOR_OURS)


def fed(raw: bytes, cuts: list[int], *, ends: bool, method: bytes = b"POST") -> Framing:
    framing = Framing(head_only=method == b"HEAD")
    for start, stop in pairwise([0, *cuts, len(raw)]):
        if start < stop and not framing.complete:
            framing.feed(raw[start:stop])
    if ends:
        framing.end()
    return framing


@pytest.mark.parametrize("good", GOOD, ids=lambda g: g.name)
def test_an_answer_is_the_same_at_every_split_point(good: Good) -> None:
    for cut in range(len(good.raw)):
        framing = fed(good.raw, [cut], ends=good.ends, method=good.method)
        assert (framing.complete, framing.status) == (True, good.status), cut
        assert b"".join(framing.pieces) == good.body, cut
        assert framing.reusable is good.reusable, cut


@pytest.mark.parametrize("good", GOOD, ids=lambda g: g.name)
def test_an_answer_is_the_same_byte_by_byte(good: Good) -> None:
    framing = fed(good.raw, list(range(1, len(good.raw))), ends=good.ends, method=good.method)
    assert (framing.complete, framing.status, framing.take()) == (True, good.status, good.body)


@pytest.mark.parametrize("good", GOOD, ids=lambda g: g.name)
def test_an_answer_that_is_cut_is_never_complete(good: Good) -> None:
    whole_from = len(good.raw) - len(good.body) if good.ends else len(good.raw)
    for length in range(whole_from):
        framing = Framing(head_only=good.method == b"HEAD")
        if length:
            framing.feed(good.raw[:length])
        with pytest.raises(Lost):
            framing.end()
        assert not framing.complete
        assert good.body.startswith(b"".join(framing.pieces))


def outcome(bad: Bad, cut: int) -> tuple[Framing, WireError | None]:
    framing = Framing(head_only=bad.method == b"HEAD")
    try:
        for part in (bad.raw[:cut], bad.raw[cut:]):
            if part and not framing.complete:
                framing.feed(part)
        framing.end()
    except WireError as error:
        return framing, error
    return framing, None


@pytest.mark.parametrize("bad", EVERY_BAD, ids=lambda b: b.name)
def test_a_bad_answer_is_an_error_at_every_split_point(bad: Bad) -> None:
    for cut in range(min(len(bad.raw), 300)):
        framing, error = outcome(bad, cut)
        assert bad.body.startswith(b"".join(framing.pieces)), cut
        if error is None:  # what is too much came later, and will find that nobody asked for it
            assert bad.too_much_after == cut
        else:
            assert isinstance(error, bad.error), cut


@given(st.sampled_from(GOOD), st.data())
def test_an_answer_is_the_same_in_any_pieces(good: Good, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(1, len(good.raw) - 1), unique=True).map(sorted))
    framing = fed(good.raw, cuts, ends=good.ends, method=good.method)
    assert (framing.complete, b"".join(framing.pieces)) == (True, good.body)


@given(st.sampled_from(GOOD), st.data())
def test_a_damaged_answer_is_an_error_or_an_answer_but_nothing_else(
    good: Good, data: st.DataObject
) -> None:
    raw = bytearray(good.raw)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cuts = data.draw(st.lists(st.integers(1, len(raw) - 1), unique=True, max_size=5).map(sorted))
    try:
        framing = fed(bytes(raw), cuts, ends=True, method=good.method)
    except (BadAnswer, Lost):
        return
    assert framing.complete
    assert 200 <= framing.status <= 599


@given(st.binary(max_size=300))
def test_noise_is_never_an_answer(noise: bytes) -> None:
    with pytest.raises((BadAnswer, Lost)):
        fed(noise, [], ends=True)


@given(st.binary(min_size=1, max_size=3000), st.lists(st.integers(1, 500), min_size=1), st.data())
def test_any_body_in_any_chunks_comes_out_as_it_is(
    body: bytes, sizes: list[int], data: st.DataObject
) -> None:
    raw, at = CHUNKS, 0
    while at < len(body):
        piece = body[at : at + sizes[at % len(sizes)]]
        raw += b"%x\r\n%b\r\n" % (len(piece), piece)
        at += len(piece)
    raw += b"0\r\n\r\n"
    cuts = data.draw(st.lists(st.integers(1, len(raw) - 1), max_size=9, unique=True).map(sorted))
    framing = fed(raw, cuts, ends=False)
    assert (framing.complete, framing.take()) == (True, body)


def test_headers_are_lower_case_and_hop_by_hop_ones_are_left_out() -> None:
    lines = ("Connection: X-Private, keep-alive", "Keep-Alive: timeout=9", "X-Private: 1", "A: b")
    framing = fed(head("200 OK", *lines, "Content-Length: 0", "a: C "), [], ends=False)
    assert framing.headers == [(b"a", b"b"), (b"content-length", b"0"), (b"a", b"C")]
    assert (framing.reusable, framing.keep_alive_s) == (True, 9)


def test_trailers_are_left_out() -> None:
    framing = fed(CHUNKS + b"1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n", [], ends=False)
    assert framing.headers == []


def test_a_head_may_be_as_long_as_the_bound_and_no_longer() -> None:
    rest = b"\r\nContent-Length: 0\r\n\r\n"
    value = b"a" * (MAX_HEAD_BYTES - len(OK) - len(rest) - 3)
    assert fed(OK + b"X: " + value + rest, [], ends=False).complete
    with pytest.raises(BadAnswer, match="longer than"):
        fed(OK + b"X: a" + value + rest, [], ends=False)


def test_a_long_body_behind_a_head_does_not_count_as_head() -> None:
    body = b"x" * 1_000_000
    framing = fed(head("200 OK", f"Content-Length: {len(body)}") + body, [], ends=False)
    assert framing.take() == body


def test_chunks_of_one_byte_may_come_for_ever() -> None:
    framing = fed(CHUNKS, [], ends=False)
    for _ in range(MAX_CHUNK_OVERHEAD_BYTES):
        framing.feed(b"1;a=b\r\nx\r\n")
    assert framing.unread == MAX_CHUNK_OVERHEAD_BYTES


@pytest.mark.parametrize("piece", [b"e", b"e" * 300_000])
def test_an_extension_may_not_go_on_for_ever(piece: bytes) -> None:
    framing = fed(CHUNKS + b"1\r\nx\r\n1;", [], ends=False)
    with pytest.raises(BadAnswer, match="than body"):
        for _ in range(2 * MAX_CHUNK_OVERHEAD_BYTES):
            framing.feed(piece)


def test_an_empty_line_behind_the_last_chunk_forbids_reuse() -> None:
    assert not fed(CHUNKS + b"1\r\nx\r\n0\r\n\r\n\r\n", [], ends=False).reusable


@pytest.mark.parametrize("good", GOOD, ids=lambda g: g.name)
def test_an_answer_leaves_no_work_for_the_garbage_collector(good: Good) -> None:
    class Watched(Framing):
        __slots__ = ("__weakref__",)

    gc.disable()
    try:
        framing = Watched(head_only=good.method == b"HEAD")
        framing.feed(good.raw)
        framing.release()
        gone = weakref.ref(framing)
        del framing
        assert gone() is None
    finally:
        gc.enable()

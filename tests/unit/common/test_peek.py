"""The beginning of a record, read from what may be cut or damaged anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.message import Part, pack, unpack
from common.peek import beginning, beginning_of_part
from common.record import decode_begin, encode
from tests.support.record_samples import begin, end, frames, new_id

ID = new_id()
LARGE = begin(ID, user_id=2**40, path="/§user_id", request=b"x" * 100_000, token_id=7)


def whole() -> bytes:
    return frames(ID, LARGE, end())


def test_everything_is_read_of_a_whole_one() -> None:
    found = beginning(whole())
    decoded = decode_begin(encode(LARGE))
    assert {name: getattr(decoded, name) for name in found} == found
    assert found["user_id"] == 2**40 and found["request"] == LARGE.request


def test_whose_it_is_can_be_read_of_a_cut_one() -> None:
    found = beginning(whole()[:400])
    assert found["user_id"] == 2**40 and "request" not in found


@given(st.integers(0, 400))
def test_a_cut_anywhere_gives_nothing_wrong(cut: int) -> None:
    full = beginning(whole())
    assert beginning(whole()[:cut]).items() <= full.items()


@given(st.binary(max_size=200))
def test_nonsense_raises_nothing(data: bytes) -> None:
    beginning(data), beginning_of_part(data), beginning(whole()[:25] + data)


@pytest.mark.parametrize("compress", [True, False])
def test_a_first_part_says_whose_it_is(compress: bool) -> None:
    parts = [unpack(message) for message in pack([(ID, whole())], 90, compress=compress)]
    first = parts[0]
    assert isinstance(first, Part) and first.number == 0 and len(parts) > 2
    assert beginning_of_part(unpack_larger(compress)).get("user_id") == 2**40


def unpack_larger(compress: bool) -> bytes:
    part = unpack(pack([(ID, whole())], 400, compress=compress)[0])
    assert isinstance(part, Part)
    return part.body

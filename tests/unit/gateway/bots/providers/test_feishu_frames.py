"""Frames of the long connection, against bytes that the vendor's own library has written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bots.providers.feishu_frames import CONTROL, DATA, BrokenFrame, Frame, decode, encode

VENDORS = bytes.fromhex(
    "08071083808080802018f681801020012a0d0a047479706512056576656e742a110a0a6d6573736167655f6964"
    "12036d2d312a0f0a0874726163655f69641203742d312a080a0373756d1201312a080a037365711201303204"
    "677a69703a046a736f6e421c7b22736368656d61223a22322e30222c22e69687223a22e69cac227d4a076c6f"
    "672d6e6577"
)
MEANT = Frame(
    method=DATA,
    service=33554678,
    headers={"type": "event", "message_id": "m-1", "trace_id": "t-1", "sum": "1", "seq": "0"},
    payload='{"schema":"2.0","文":"本"}'.encode(),
    payload_encoding="gzip",
    payload_type="json",
    seq_id=7,
    log_id=2**40 + 3,
    log_id_new="log-new",
)


def test_a_frame_of_the_vendor_s_is_understood() -> None:
    assert decode(VENDORS) == MEANT


def test_what_is_written_is_what_the_vendor_writes() -> None:
    assert encode(MEANT) == VENDORS
    ping = Frame(CONTROL, 12, {"type": "ping"})
    assert encode(ping).hex() == "08001000180c20002a0c0a0474797065120470696e67"


def test_unknown_fields_are_passed_over() -> None:
    further = b"\x50\x01" + b"\x5a\x02hi" + b"\x61" + bytes(8) + b"\x6d" + bytes(4)
    assert decode(VENDORS + further) == MEANT


@pytest.mark.parametrize("end", range(1, len(VENDORS)))
def test_a_frame_that_is_cut_off_is_refused_or_shorter(end: int) -> None:
    try:
        assert decode(VENDORS[:end]) != MEANT
    except BrokenFrame:
        return


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    try:
        decode(data)
    except BrokenFrame:
        return

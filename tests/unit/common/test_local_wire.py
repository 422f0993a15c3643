"""The local wire: framing that survives any split, and a socket with exactly one listener."""

import socket
from asyncio import StreamReader
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.local_wire import (
    MAX_BODY_BYTES,
    Acks,
    BadWire,
    SocketInUse,
    WireClosed,
    ack,
    connected,
    listening,
    message,
    read_message,
)


async def test_messages_are_read_one_by_one() -> None:
    reader = StreamReader()
    reader.feed_data(message(1, b"first") + message(2**64 - 1, b""))
    reader.feed_eof()
    assert await read_message(reader) == (1, b"first")
    assert await read_message(reader) == (2**64 - 1, b"")
    with pytest.raises(WireClosed):
        await read_message(reader)


async def test_a_message_cut_anywhere_is_none() -> None:
    whole = message(7, b"body")
    for length in range(len(whole)):
        reader = StreamReader()
        reader.feed_data(whole[:length])
        reader.feed_eof()
        with pytest.raises(WireClosed):
            await read_message(reader)


async def test_an_unbelievable_length_is_not_waited_for() -> None:
    reader = StreamReader()
    reader.feed_data(b"\xff" * 12)
    with pytest.raises(BadWire):
        await read_message(reader)
    with pytest.raises(ValueError, match="at most"):
        message(1, bytes(MAX_BODY_BYTES + 1))


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20), st.lists(st.integers(1, 30), min_size=1))
def test_acks_are_put_together_from_any_pieces(tags: list[int], sizes: list[int]) -> None:
    data = b"".join(map(ack, tags))
    acks, found = Acks(), []
    while data:
        size = sizes[len(data) % len(sizes)]
        found += acks.feed(data[:size])
        data = data[size:]
    assert found == tags


def meets(path: Path) -> bytes:
    """What a connection to that path carries."""
    with listening(path) as listener, connected(path) as here:
        there, _ = listener.accept()
        with there:
            here.sendall(b"hello")
            there.setblocking(True)
            return there.recv(5)


def test_both_ends_meet(tmp_path: Path) -> None:
    path = tmp_path / "made for it" / "consumer.sock"
    assert meets(path) == b"hello"
    assert not path.exists()


def test_a_path_longer_than_a_socket_address(tmp_path: Path) -> None:
    assert meets(tmp_path / ("x" * 120) / ("y" * 120) / "consumer.sock") == b"hello"


def test_the_socket_is_its_users_own(tmp_path: Path) -> None:
    with listening(tmp_path / "s"):
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600


def test_a_dead_listeners_socket_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    assert meets(tmp_path / "s") == b"hello"


def test_a_living_listener_is_left_alone(tmp_path: Path) -> None:
    with listening(tmp_path / "s"):
        with pytest.raises(SocketInUse), listening(tmp_path / "s"):
            pass
        with connected(tmp_path / "s"):
            pass


def test_a_file_of_that_name_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("mine")
    with pytest.raises(FileExistsError, match="move it away"), listening(tmp_path / "s"):
        pass
    assert (tmp_path / "s").read_text() == "mine"


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        connected(tmp_path / "s")

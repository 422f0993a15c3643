"""The local wire: messages from gateway workers to a consumer on this machine, with no broker.

    message:  length u32 | tag u64 | body      gateway → consumer; `length` counts the body
    ack:      tag u64                          consumer → gateway, once the message is stored

Big-endian, on a Unix socket. The consumer listens, gateways connect and connect again. A message
that was not acknowledged before the connection ended is sent again on the next one.
"""

import fcntl
import os
import socket
import stat
import struct
from asyncio import IncompleteReadError, StreamReader
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MAX_BODY_BYTES = 64 * 1024 * 1024
"""A longer message is not believed."""

_HEAD = struct.Struct(">IQ")
_ACK = struct.Struct(">Q")
_LONGEST_PATH = 100
"""`sun_path` has room for 104 to 108 bytes, by system."""


class WireClosed(Exception):
    """The other side is gone; nothing was lost between two messages."""


class BadWire(Exception):
    """What arrives is not this protocol. Close the connection."""


class SocketInUse(Exception):
    """Another consumer listens there already."""


def head(tag: int, body: bytes) -> bytes:
    """What goes before the body. Raises ValueError."""
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"a message of {len(body)} bytes; at most {MAX_BODY_BYTES} can be sent")
    return _HEAD.pack(len(body), tag)


def message(tag: int, body: bytes) -> bytes:
    """Raises ValueError."""
    return head(tag, body) + body


async def read_message(reader: StreamReader) -> tuple[int, bytes]:
    """The next (tag, body). Raises WireClosed or BadWire."""
    try:
        length, tag = _HEAD.unpack(await reader.readexactly(_HEAD.size))
        if length > MAX_BODY_BYTES:
            raise BadWire(f"a message of {length} bytes")
        return tag, await reader.readexactly(length)
    except (IncompleteReadError, ConnectionError) as error:
        raise WireClosed from error


def ack(tag: int) -> bytes:
    return _ACK.pack(tag)


class Acks:
    """Puts acknowledged tags together from the bytes that arrive."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[int]:
        data = self._rest + data
        whole = len(data) - len(data) % _ACK.size
        self._rest = data[whole:]
        return [tag for (tag,) in _ACK.iter_unpack(data[:whole])]


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A listening socket, for this user only; gone from the file system afterwards.

    A socket that a dead consumer left is replaced: the lock beside it tells that it is dead. Raises
    SocketInUse, or OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SocketInUse(f"another consumer listens on {path}") from None
        _remove_stale(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.setblocking(False)
            with _reachable(path) as address:
                listener.bind(address)
            path.chmod(0o600)
            listener.listen()
            try:
                yield listener
            finally:
                path.unlink(missing_ok=True)
    finally:
        os.close(lock)


def connected(path: Path) -> socket.socket:
    """A connection to the consumer. Raises OSError at once if nobody listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        with _reachable(path) as address:
            connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _remove_stale(path: Path) -> None:
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(f"{path} is no socket; move it away")
        path.unlink()


@contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """An address that fits: a long path is reached through an open descriptor of its directory."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)

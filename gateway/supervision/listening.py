"""The places that the parent claims before anybody is started: the port, the data directory."""

import errno
import socket
import tempfile
from pathlib import Path

from common.settings import SettingsError
from gateway.supervision.reason import reason

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """The socket that all workers share. Raises SettingsError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(BACKLOG)
        except OSError:
            sock.close()
            raise
    except (OSError, UnicodeError) as error:
        raise SettingsError(_why_not(host, port, error)) from None
    sock.setblocking(False)
    return sock


def claim_data_dir(directory: Path) -> None:
    """Make the directory, readable by its owner alone, and see that it can be written.

    Raises SettingsError.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _try(directory)
    except OSError as error:
        raise _unusable(directory, error) from None


def could_claim_data_dir(directory: Path) -> None:
    """As `claim_data_dir`, and nothing of it stays: a directory that is not there is tried by
    making another one beside it. Raises SettingsError."""
    if directory.exists():
        claim_data_dir(directory)
        return
    nearest = next(parent for parent in directory.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryDirectory(dir=nearest) as probe:
            _try(Path(probe))
    except OSError as error:
        raise _unusable(directory, error) from None


def _try(directory: Path) -> None:
    with tempfile.TemporaryFile(dir=directory) as probe:
        probe.write(b"\0")


def _unusable(directory: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"DATA_DIR ({directory.absolute()}) cannot be written: {reason(error)}. Set DATA_DIR"
        " to a directory that this user may write to, or correct its owner and free space."
    )


def _why_not(host: str, port: int, error: OSError | UnicodeError) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is in use: set OPENAI_SERVICE_PORT to a free one, HOST to"
            " another address, or stop the program that listens there."
        )
    if number == errno.EACCES:
        return (
            f"Port {port} is reserved to the system: set OPENAI_SERVICE_PORT to one above 1023, or"
            " allow this user to bind it."
        )
    return (
        f"HOST ({host}) cannot be listened on, port {port}: {reason(error)}. Set HOST to an"
        " address of this machine: 127.0.0.1, or 0.0.0.0 for all of them."
    )

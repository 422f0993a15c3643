"""`gateway serve`: claims what it needs, prepares, then raises HTTP workers, demo and consumer.

A parent of our own, because uvicorn's knows only identical workers, closes its listeners before
anybody is told, and leaves its children running when it is killed. It imports everything once,
most of it while a child prepares the database, and shares that memory with the workers that it
forks. How children live and die is in `gateway.supervision.family`; what a worker does in
`gateway.supervision.worker`.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from types import FrameType
from typing import TextIO

import structlog

from common import logs, quick_start
from common.settings import SettingsError
from gateway.numbers import forget
from gateway.prepare import Prepared, prepare
from gateway.settings import GatewaySettings, load_settings
from gateway.supervision.family import Child, Family
from gateway.supervision.listening import claim_data_dir, listen
from gateway.supervision.preparation import in_child
from gateway.supervision.welcome import base_url, demo_notice, greeting

log = structlog.get_logger()

REFUSED = 2
"""Exit code: a setting must be corrected first."""
_BEYOND_DRAIN_S = 15
"""For a worker to tell those whom it cuts, and to put away what they left."""
_CONSUMER_STOP_S = 15
_DEMO_STOP_S = 6


class _Stopped(BaseException):
    """SIGTERM or SIGINT came before there was anything to stop."""


@dataclass(frozen=True, slots=True)
class _Ground:
    """What was claimed and prepared before the first child."""

    settings: GatewaySettings
    sock: socket.socket
    demo_sock: socket.socket | None
    prepared: Prepared
    work: Callable[[GatewaySettings, str | None, socket.socket, Callable[[], None]], None]
    """What an HTTP worker does, with the demo's address if there is one, and whom to tell that it
    serves."""

    @property
    def demo_url(self) -> str | None:
        return f"http://127.0.0.1:{_port(self.demo_sock)}/v1" if self.demo_sock else None


def main() -> int:
    """`gateway serve`, when that is all that was said; the exit code."""
    try:
        settings = load_settings()
    except SettingsError as refusal:
        sys.stderr.write(f"{refusal}\n")
        return REFUSED
    return serve(settings)


def serve(settings: GatewaySettings, workers: str = "gateway.supervision.worker") -> int:
    """Until SIGTERM or SIGINT. The exit code: 0 after one signal, 2 where a setting is refused.

    `workers`: the module whose `work` is what an HTTP worker does.
    """
    logs.configure(settings.log_level, settings.log_format)
    try:
        with _interruptible():
            ground = _claim(settings, workers)
    except SettingsError as refusal:
        sys.stderr.write(f"{refusal}\n")
        return REFUSED
    except _Stopped:
        return 0
    quick_start.end()
    code = _raise_family(ground)
    if code not in (0, REFUSED) and code < 128:
        sys.stderr.write(
            "The gateway cannot start: its HTTP worker ended before it served; the lines above say"
            " why.\n"
        )
    return code


def _claim(settings: GatewaySettings, workers: str) -> _Ground:
    """Raises SettingsError."""
    claim_data_dir(settings.data_dir)
    sock = listen(settings.host, settings.openai_service_port)
    forget(settings.data_dir / "metrics")
    prepared = in_child(lambda: _prepare(settings), Prepared)
    work = import_module(workers).work  # meanwhile: this takes the longest
    demo_sock = listen("127.0.0.1", 0) if settings.demo else None
    return _Ground(settings, sock, demo_sock, prepared(), work)


def _prepare(settings: GatewaySettings) -> Prepared:
    """In a child of its own. Raises SettingsError."""
    if settings.amqp_url is not None:
        broker = import_module("gateway.supervision.broker")  # large, and of no use embedded
        asyncio.run(
            broker.prepare_broker(settings.amqp_url.get_secret_value(), settings.amqp_prefix)
        )
    return prepare(settings, show_token=_at_terminal(sys.stdout))


def _raise_family(ground: _Ground) -> int:
    settings, children = ground.settings, []
    if settings.embedded:
        children.append(Child("consumer", _consume, _CONSUMER_STOP_S))
    if ground.demo_sock is not None:
        demo_sock = ground.demo_sock
        children.append(Child("demo", lambda: _demonstrate(ground.sock, demo_sock), _DEMO_STOP_S))
    for number in range(settings.workers):
        children.append(
            Child(
                f"http-{number}",
                lambda: ground.work(settings, ground.demo_url, ground.sock, family.say_up),
                settings.drain_announce_s + settings.drain_timeout_s + _BEYOND_DRAIN_S,
                essential=True,
                reloads=True,
            )
        )
    ends = {signal.SIGTERM, signal.SIGINT}
    if _at_terminal(sys.stdin):  # closing its window hangs up, and means the end
        ends.add(signal.SIGHUP)
    # once workers have left a port that nobody else holds, it refuses instead of keeping waiting
    family = Family(
        children, ("http-", "demo", "consumer"), lambda: _tell(ground), ends, ground.sock.close
    )
    return family.run()


def _demonstrate(sock: socket.socket, demo_sock: socket.socket) -> None:
    sock.close()
    import_module("gateway.demo.server").run(demo_sock)


def _consume() -> None:
    """The consumer is a program of its own: nothing of it is imported here."""
    os.execv(sys.executable, [sys.executable, "-m", "consumer", "run"])  # noqa: S606 - no shell


def _tell(ground: _Ground) -> None:
    """A person at a terminal gets a text, everybody else a line of the log."""
    settings, url = ground.settings, base_url(ground.settings, _port(ground.sock))
    log.info("serving", url=url, workers=settings.workers, embedded=settings.embedded)
    if _at_terminal(sys.stdout):
        with suppress(OSError):
            sys.stdout.write(greeting(settings, url, ground.prepared.first_token))
            sys.stdout.flush()
        return
    log.info("how_to_begin", command="gateway token issue admin")
    if settings.demo:
        log.warning("demo_upstream", reason=demo_notice(settings))


def _at_terminal(stream: TextIO | None) -> bool:
    """None: that stream was closed before we were started."""
    return stream is not None and stream.isatty()


def _port(sock: socket.socket) -> int:
    port: int = sock.getsockname()[1]
    return port


@contextmanager
def _interruptible() -> Iterator[None]:
    """While there are no children to stop, a signal just ends what we are doing."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _Stopped

    before = {n: signal.signal(n, stop) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

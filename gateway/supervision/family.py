"""The children of `gateway serve`: started, watched, started again, and stopped in order.

The parent has no thread and no event loop, so that it can fork at any time: it waits for signals
and for words from its children, with a deadline. What the children do is no concern of this file.
"""

import os
import selectors
import signal
import socket
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from types import FrameType

import structlog

from gateway.supervision.process import SIGNALS, Body, fork

log = structlog.get_logger()

HEALTHY_S = 60
"""A child that lived this long starts with a clean slate when it dies."""
SAME_S = 1
"""`timeout` and shells signal a process and then its group: that is one wish, not two."""
FIRST_DELAY_S, MAX_DELAY_S = 0.1, 30.0


@dataclass(slots=True)
class Child:
    """One child, alive or to be started again."""

    name: str
    body: Body
    stop_s: float
    """How long it may take to end after SIGTERM."""
    essential: bool = False
    """The family gives up if this one fails before any essential one has ever been up."""
    reloads: bool = False
    """A hangup is passed on to it."""
    pid: int | None = None
    started_at: float = 0
    due_at: float = 0
    deaths: int = 0
    """In a row, each before it was healthy."""

    def delay_s(self, now: float) -> float:
        """How long to wait before it is started again."""
        self.deaths = 0 if now - self.started_at >= HEALTHY_S else self.deaths
        self.deaths += 1
        return float(min(MAX_DELAY_S, FIRST_DELAY_S * 2 ** (self.deaths - 1)))


class Family:
    """All children, in the order in which they start; `stopping` groups them for the end.

    `run` returns the exit code of the whole: 0 after a signal, the child's if the family gave up.
    """

    def __init__(
        self,
        children: Sequence[Child],
        stopping: Sequence[str],
        on_up: Callable[[], None],
        ends: Collection[int] = (signal.SIGTERM, signal.SIGINT),
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`stopping`: beginnings of names, whose children are stopped first to last.
        `on_up` is called once, when the first essential child says that it is up.
        `ends`: the signals that end it all; a hangup that is none of them is passed on.
        `on_end` is called once, when the end begins: nobody is started any more."""
        self._children, self._stopping, self._on_up = children, stopping, on_up
        self._ends, self._on_end, self._hung_up = ends, on_end, False
        self._signals: list[int] = []
        self._ended_at = 0.0
        """When the first of them came."""
        self._up = False
        self._gave_up: int | None = None
        self._wake_in, self._wake_out = socket.socketpair()
        self._word_in, self._word_out = os.pipe()

    def say_up(self) -> None:
        """Called in an essential child, once it serves."""
        os.write(self._word_out, b"u")

    def run(self) -> int:
        for ours in (self._wake_in, self._wake_out):
            ours.setblocking(False)
        os.set_blocking(self._word_in, False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_out, selectors.EVENT_READ)
            selector.register(self._word_in, selectors.EVENT_READ)
            self._listen_to_signals()
            return self._live(selector)

    def _live(self, selector: selectors.BaseSelector) -> int:
        while not self._signals and self._gave_up is None:
            self._start_due()
            self._wait(selector, self._next_due())
            self._bury()
            if self._hung_up:
                self._hung_up = False
                reloading = [c for c in self._children if c.reloads and c.pid]
                log.info("reload_asked", names=[c.name for c in reloading])
                _send(reloading, signal.SIGHUP)
        log.info("stopping", signal=next(iter(self._signals), None))
        self._on_end()
        for beginning in self._stopping:
            self._stop([c for c in self._children if c.name.startswith(beginning)], selector)
        if len(self._signals) > 1:
            return 128 + self._signals[1]
        log.info("stopped")
        return self._gave_up or 0

    def _start_due(self) -> None:
        for child in self._children:
            if child.pid is None and child.due_at <= monotonic():
                child.started_at = monotonic()
                child.pid = fork(child.body)
                log.info("child_started", name=child.name, pid=child.pid)

    def _next_due(self) -> float | None:
        return min((c.due_at for c in self._children if c.pid is None), default=None)

    def _wait(self, selector: selectors.BaseSelector, until: float | None) -> None:
        """For a signal or a word, or until then."""
        timeout = None if until is None else max(0.0, until - monotonic())
        for key, _ in selector.select(timeout):
            if key.fileobj is self._wake_out:
                self._wake_out.recv(4096)
            elif os.read(self._word_in, 4096) and not self._up:
                self._up = True
                self._on_up()

    def _bury(self) -> None:
        """Take note of every child that has ended."""
        for pid, status in _ended():
            child = next((c for c in self._children if c.pid == pid), None)
            if child is None:
                continue
            child.pid = None
            code = os.waitstatus_to_exitcode(status)
            if self._signals or self._gave_up is not None:
                log.info("child_stopped", name=child.name, pid=pid, exit_code=code)
            elif child.essential and not self._up and code >= 0:
                self._gave_up = code or 1
                log.error("start_failed", name=child.name, exit_code=code)
            else:
                delay_s = child.delay_s(monotonic())
                child.due_at = monotonic() + delay_s
                log.error(
                    "child_died", name=child.name, pid=pid, exit_code=code, restart_in_s=delay_s
                )

    def _stop(self, children: Iterable[Child], selector: selectors.BaseSelector) -> None:
        """Ask, wait, kill."""
        living = [child for child in children if child.pid is not None]
        _send(living, signal.SIGTERM)
        until = monotonic() + max((child.stop_s for child in living), default=0)
        while any(child.pid for child in living):
            hurried = len(self._signals) > 1
            if hurried or monotonic() >= until:
                log.warning("killing", names=[c.name for c in living if c.pid], hurried=hurried)
                _send(living, signal.SIGKILL)
                until = monotonic() + 1
            self._wait(selector, until)
            self._bury()

    def _listen_to_signals(self) -> None:
        signal.set_wakeup_fd(self._wake_in.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        """Nothing is logged here: a signal may come in the middle of a log line."""
        if number in self._ends:
            if not self._signals or monotonic() - self._ended_at >= SAME_S:
                self._signals.append(number)
            self._ended_at = self._ended_at or monotonic()
        elif number == signal.SIGHUP:
            self._hung_up = True


def _ended() -> Iterable[tuple[int, int]]:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def _send(children: Iterable[Child], number: int) -> None:
    """A child that was not waited for yet keeps its pid, so none can be somebody else's."""
    for child in children:
        if child.pid is not None:
            os.kill(child.pid, number)

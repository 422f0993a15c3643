"""One child process: forked, in a group of its own, and gone when its parent is.

Only the main thread of a program without other threads may fork. Who is forked, and what happens
when one dies, is said in `gateway.supervision.family`.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import structlog

log = structlog.get_logger()

Body = Callable[[], None]
"""What a child does. Returning is exit code 0; SystemExit carries another."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
"""Those that the parent handles itself, and a child has as they were before."""

_PR_SET_PDEATHSIG = 1


def fork(body: Body) -> int:
    """The child's pid. Its own group: Ctrl-C on a terminal reaches the parent alone, who knows in
    which order to stop. It is killed, not asked, when the parent dies: nobody would wait for it,
    and the next start needs its port. Records survive that."""
    parent = os.getpid()
    with _signals_held():
        pid = os.fork()
        if pid == 0:
            _fresh_signals()
    if pid:
        return pid
    code = 1
    try:
        os.setpgid(0, 0)
        _die_with(parent)
        code = _run(body)
    finally:
        os._exit(code)  # not sys.exit: what the parent registered to run at its end is not ours


def _run(body: Body) -> int:
    try:
        body()
        return 0
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:  # the edge of a process
        log.exception("process_failed")
        return 1
    finally:
        with suppress(OSError, ValueError):  # nobody may be there to read it
            sys.stdout.flush()


@contextmanager
def _signals_held() -> Iterator[None]:
    """A signal that comes while we are two processes in one is kept for the right one of them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _fresh_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # means "reload"; who cannot yet just goes on


def _leave(_number: int, _frame: FrameType | None) -> None:
    """Until the child's own handlers are in place; `exec` takes this away too."""
    sys.exit(0)


def _die_with(parent: int) -> None:
    """Linux tells us of the parent's death, other systems are asked for it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_poll, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(1)


def _poll(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)

"""Preparation in a process of its own, which tells the parent how it went.

The parent must stay without threads and event loops, and need not carry what migrating imports.
What is prepared is said in `gateway.prepare`.
"""

import os
from collections.abc import Callable
from typing import TypeVar

import msgspec
import structlog

from common.settings import SettingsError
from gateway.supervision.process import fork

log = structlog.get_logger()

T = TypeVar("T")


class _Report(msgspec.Struct):
    """What the child writes into the pipe: its result as JSON, or why there is none."""

    result: msgspec.Raw = msgspec.Raw(b"null")
    refused: str | None = None


def in_child(work: Callable[[], T], kind: type[T]) -> Callable[[], T]:
    """Has a child do it; to be called for what `work` returned there, once. `kind` says how to
    read it.

    What is returned waits for the child's end, and raises SettingsError as `work` did, and one for
    whatever else ended it.
    """
    ours, its = os.pipe()
    pid = fork(lambda: _report(work, its))
    os.close(its)
    return lambda: _result(pid, ours, kind)


def _result(pid: int, ours: int, kind: type[T]) -> T:
    with os.fdopen(ours, "rb") as pipe:
        told = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not told:
        raise SettingsError(
            f"The preparation ended with code {code} and without a word; see the lines above."
        )
    report = msgspec.json.decode(told, type=_Report)
    if report.refused is not None:
        raise SettingsError(report.refused)
    return msgspec.json.decode(report.result, type=kind)


def _report(work: Callable[[], T], pipe: int) -> None:
    try:
        report = _Report(msgspec.Raw(msgspec.json.encode(work())))
    except SettingsError as error:
        report = _Report(refused=str(error))
    except Exception as error:  # the edge of a process; the parent turns it into a sentence
        log.exception("preparation_failed")
        report = _Report(refused=f"The preparation failed: {type(error).__name__}.")
    with os.fdopen(pipe, "wb") as out:
        out.write(msgspec.json.encode(report))

"""Log lines of both programs: one event per line, on standard error, without secrets.

Callers write `log = structlog.get_logger()` and `log.info("event_name", field=value)`; every event
is listed in docs/events.md. What the libraries say through `logging`, from warnings up, takes the
same way. What counts as a secret is in `common.redaction`.
"""

import json
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from common.redaction import OFF_LINE, on_one_line, redacted, without_secrets

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_ECHOES = ("aiormq.connection",)
"""Libraries that log what they raise as well: whoever catches it says it better."""

Event = MutableMapping[str, Any]


def configure(level: str = "info", format: str = "auto", stream: TextIO | None = None) -> None:
    """`level` and `format` as LOG_LEVEL and LOG_FORMAT have them. May be called again."""
    stream = stream or sys.stderr
    as_json = format == "json" or (format == "auto" and not stream.isatty())
    render = _json if as_json else _console(stream)
    finish: list[structlog.types.Processor] = [
        structlog.processors.format_exc_info,
        _redact,
        render,
    ]
    begin: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*begin, *finish],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=True,
    )
    _take_over_stdlib(stream, max(_LEVELS[level], logging.WARNING), begin, finish)


def _take_over_stdlib(
    stream: TextIO,
    level: int,
    begin: list[structlog.types.Processor],
    finish: list[structlog.types.Processor],
) -> None:
    """Below warnings libraries tell of bodies and parameters, which are nobody's business."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *begin],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for echo in _ECHOES:
        logging.getLogger(echo).setLevel(logging.CRITICAL)


class _Lines:
    """Where lines go. A log that cannot be written must not fail a call."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = exception = msg


def _redact(_logger: Any, _method: str, event: Event) -> Event:
    for name, value in event.items():
        event[name] = without_secrets(str(value)) if name == "event" else redacted(name, value)
    return event


def _json(_logger: Any, _method: str, event: Event) -> str:
    """One JSON object; what JSON itself would leave in the line is written as its escape."""
    ordered = {name: event[name] for name in ("timestamp", "level", "event")} | dict(event)
    line = json.dumps(ordered, ensure_ascii=False, separators=(",", ":"))
    return OFF_LINE.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def _console(stream: TextIO) -> structlog.types.Processor:
    render = structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=24)

    def one_line(logger: Any, method: str, event: Event) -> str:
        trace = event.pop("exception", None)
        for name, value in event.items():
            if not isinstance(value, bool | int | float):
                event[name] = on_one_line(str(value))
        return str(render(logger, method, event)) + _indented(trace)

    return one_line


def _indented(trace: str | None) -> str:
    """A traceback keeps its lines, set in, so that none of them can pass for an event."""
    if trace is None:
        return ""
    return "".join(f"\n    {on_one_line(line)}" for line in trace.splitlines())

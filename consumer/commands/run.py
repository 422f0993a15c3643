"""`consumer run`: store records until told to stop."""

import sys

import anyio
import structlog

from common import logs, quick_start
from common.settings import SettingsError
from consumer.app import serve
from consumer.decode import NewerRecord
from consumer.settings import load_settings

log = structlog.get_logger()

REFUSED = 2
"""Exit code: a setting must be corrected first."""


def main() -> int:
    """`consumer run`, when that is all that was said; the exit code."""
    quick_start.end()
    try:
        run()
    except SettingsError as refusal:
        sys.stderr.write(f"{refusal}\n")
        return REFUSED
    return 0


def run() -> None:
    """Store records and link them into conversations, until SIGTERM or Ctrl-C.

    With AMQP_URL it reads from RabbitMQ: run as many as you like. Without, it listens on a socket
    in DATA_DIR for the gateways of this machine; `gateway serve` starts one by itself.

    A record is acknowledged only once it is stored. While the database is away nothing is lost:
    records wait where they are. `gateway migrate` (or a gateway that starts) makes the tables.
    """
    settings = load_settings()
    logs.configure(settings.log_level, settings.log_format)
    try:
        anyio.run(serve, settings, backend_options={"use_uvloop": True})
    except NewerRecord as error:
        log.error("record_too_new", error=str(error))
        raise SystemExit(1) from None

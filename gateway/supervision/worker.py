"""What an HTTP worker does. All that it needs is loaded by the parent, for all workers at once."""

import socket
import sys
from collections.abc import Callable

from starlette.applications import Starlette

from common.settings import SettingsError
from gateway.app import create_app
from gateway.settings import GatewaySettings
from gateway.supervision.http import Times, serve_http
from gateway.supervision.protocol import Patience

REFUSED = 2
"""Exit code: a setting must be corrected first."""

AppFactory = Callable[[GatewaySettings, str | None], Starlette]
"""Settings and the demo's address; the app keeps its Readiness as `app.state.readiness`, and as
`app.state.reload` what to call at a hangup."""


def work(
    settings: GatewaySettings,
    demo_url: str | None,
    sock: socket.socket,
    on_up: Callable[[], None],
    app_of: AppFactory = create_app,
) -> None:
    """Until SIGTERM, and what `serve_http` does after that."""
    try:
        app = app_of(settings, demo_url)
    except SettingsError as refusal:
        sys.stderr.write(f"{refusal}\n")
        sys.exit(REFUSED)
    patience = Patience(
        settings.body_timeout_s, settings.body_total_timeout_s, settings.send_timeout_s
    )
    times = Times(patience, settings.drain_announce_s, settings.drain_timeout_s)
    serve_http(app, sock, app.state.readiness, times, on_up, app.state.reload)

"""The demo as a process of its own, on a socket that listens already."""

import socket

import uvicorn

from gateway.demo.app import create_demo


def run(sock: socket.socket) -> None:
    """Until SIGTERM or SIGINT; open streams may end within five seconds."""
    config = uvicorn.Config(
        create_demo(),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,  # longer than any client of it keeps an idle connection
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(config).run(sockets=[sock])

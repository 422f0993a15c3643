"""A program of ours at a terminal: what a person would see who starts it by hand."""

import os
import pty
import signal
import subprocess
import threading
from types import TracebackType
from typing import Self

from tests.support.programs import BIN, Installation
from tests.support.waiting import eventually


class Terminal:
    """Runs a command while the `with` block lasts; `shown` is all that it has printed."""

    def __init__(self, installation: Installation, program: str, *arguments: str) -> None:
        ours, its = pty.openpty()
        self._ours, self.shown = ours, ""
        self.process = subprocess.Popen(
            [BIN / program, *arguments],
            cwd=installation.directory,
            env={**installation.environment, "TERM": "xterm"},
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
        )
        os.close(its)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # the last of its ends is closed
                return
            if not data:
                return
            self.shown += data.decode(errors="replace").replace("\r\n", "\n")

    def wait_for(self, text: str) -> None:
        eventually(lambda: text in self.shown or self.process.poll() is not None, text, 60)
        assert text in self.shown, self.shown

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self._reader.join(10)
        os.close(self._ours)

"""Portkey's gateway on Node: the provider and its address come in headers of each call."""

import json
import shutil
from pathlib import Path

from bench.programs import BenchError, Program, free_port
from bench.sides.side import Side, Target


class Portkey(Side):
    """`node build/start-server.js --headless`."""

    name = "Portkey"
    doing = "one provider named by headers; no tokens of its own, no recording"

    def version(self) -> str:
        if not self._package.exists():
            raise BenchError("Portkey is not installed")
        said = json.loads((self._package / "package.json").read_text())["version"]
        return f"@portkey-ai/gateway {said}"

    def launch(self, cores: frozenset[int]) -> Program:
        place, port = self.place, free_port()
        headers = {
            "Authorization": "Bearer sk-bench",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": place.upstream_url,
        }
        self.target = Target(port, headers=headers)
        server = self._package / "build" / "start-server.js"
        return Program(
            [shutil.which("node") or "node", str(server), "--headless", f"--port={port}"],
            place.directory / "portkey.log",
            cores=cores,
            environment={"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"},
            directory=place.directory,
        )

    @property
    def _package(self) -> Path:
        return self.place.tools / "portkey" / "node_modules" / "@portkey-ai" / "gateway"

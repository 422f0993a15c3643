"""Other gateways, each from its public package, in an environment of its own below `.bench/`.

What cannot be installed is named and left out; nothing of it touches this project's environment.
"""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.programs import BenchError, run_to_end

_INSTALL_S = 900

PYTHON_PACKAGES = {
    "litellm": ("litellm[proxy]==1.105.0",),  # later ones want a certifi that is not out everywhere
    "tensorzero": ("tensorzero==2026.6.0", "openai"),
    "py-spy": ("py-spy==0.4.3",),
}
_HONO = {"hono": "4.9.7", "@hono/node-server": "1.13.5"}
"""Those with which it streams: its package names no upper bound, and later ones break it."""
PORTKEY = {
    "private": True,
    "dependencies": {"@portkey-ai/gateway": "1.15.2", **_HONO},
    "overrides": _HONO,
}


def install(tools: Path, say: Callable[[str], None], only: Sequence[str] | None = None) -> None:
    """Those that are not there yet, or not as wanted."""
    for name, packages in PYTHON_PACKAGES.items():
        if only is None or name in only:
            _once(tools / name, list(packages), lambda d, p=packages: _python(d, p), say)  # type: ignore[misc]
    if only is None or "portkey" in only:
        _once(tools / "portkey", PORTKEY, _portkey, say)


def _once(
    directory: Path, wanted: object, build: Callable[[Path], None], say: Callable[[str], None]
) -> None:
    stamp = directory / "installed.json"
    if stamp.exists() and json.loads(stamp.read_text()) == wanted:
        return
    say(f"Installing {directory.name} into {directory} …")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    try:
        build(directory)
    except BenchError as error:
        say(f"{directory.name} could not be installed, and is left out. {error}")
        shutil.rmtree(directory)
        return
    stamp.write_text(json.dumps(wanted))


def _python(directory: Path, packages: Sequence[str]) -> None:
    run_to_end([sys.executable, "-m", "venv", str(directory)], timeout_s=_INSTALL_S)
    pip = [str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
    run_to_end([*pip, "--disable-pip-version-check", *packages], timeout_s=_INSTALL_S)


def _portkey(directory: Path) -> None:
    (directory / "package.json").write_text(json.dumps(PORTKEY, indent=2))
    npm = shutil.which("npm")
    if npm is None:
        raise BenchError("npm is not installed (Debian and Ubuntu: apt-get install npm)")
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"]
    run_to_end(command, directory=directory, timeout_s=_INSTALL_S)

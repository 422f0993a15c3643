"""The command: find or start the services and the browser, then run what was asked for."""

import os
import subprocess
import sys
from collections.abc import Sequence

from scripts.services import browser, docker, packages
from scripts.services.addresses import Address, expected
from scripts.services.plan import Machine, Plan, plan
from scripts.services.probe import absent, lets_us_in, wait_for

PATIENCE_S = 120


def main(arguments: list[str]) -> int:
    if arguments == ["--stop"]:
        return _stop()
    wanted = [_elsewhere(address) for address in expected(os.environ)]
    missing = absent(wanted)
    try:
        started = _start(missing) if missing else []
    except (subprocess.CalledProcessError, OSError) as error:
        return _refuse(f"The services for the tests could not be started: {error}")
    if started is None:
        return 1
    try:
        if lacking := browser.prepare():
            return _refuse(lacking)
    except (subprocess.CalledProcessError, OSError) as error:
        return _refuse(f"The browser for the tests could not be installed: {error}")
    places = [a for a in wanted if a not in missing] + started
    if not arguments:
        sys.stdout.writelines(f"{a.service} is at {a.shown}\n" for a in places)
        return 0
    os.environ.update((a.setting, a.url) for a in places)
    sys.stdout.flush()
    os.execvp(arguments[0], arguments)  # noqa: S606


def _start(missing: Sequence[Address]) -> list[Address] | None:
    """Where they are then; None: the reason why not has been said."""
    todo = plan(missing, _machine())
    if todo.refusal:
        _refuse(todo.refusal)
        return None
    started = _carry_out(todo)
    if silent := [a for a in started if not wait_for(a, PATIENCE_S)]:
        for address in silent:
            _refuse(f"{address.service} was started at {address.shown}, but does not let us in:"
                    f" see {packages.HOME} or `docker compose logs`.")  # fmt: skip
        return None
    return started


def _elsewhere(address: Address) -> Address:
    """One that was started here before, on another port, if nothing is where it is expected."""
    before = packages.started_before(address)
    if address.given or before == address or lets_us_in(address) or not lets_us_in(before):
        return address
    return before


def _machine() -> Machine:
    return Machine(docker.answers(), packages.installed(), packages.may_install())


def _carry_out(todo: Plan) -> list[Address]:
    names = ", ".join(a.service for a in (*todo.compose, *todo.start))
    sys.stderr.write(f"Starting {names} for the tests …\n")
    if todo.compose:
        return docker.start(todo.compose)
    if todo.install:
        packages.install(todo.install, packages.may_install())
    return [packages.start(address) for address in todo.start]


def _stop() -> int:
    packages.stop()
    if docker.answers():
        docker.stop()
    return 0


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

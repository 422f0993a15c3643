"""A small family to be watched from outside: `family_program.py JOURNAL [--hangup-ends]
NAME[:HABIT]…`.

Each child writes what happens to it into the journal. Habits: `stubborn` does not stop when asked
and has a second for it, `deaf` has a minute, `fails` ends at once with code 3, `dies` kills itself
after it has said that it is up, `reloads` is told of hangups.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from common import logs
from gateway.supervision.family import Child, Family

JOURNAL = Path(sys.argv[1])
HANGUP_ENDS = "--hangup-ends" in sys.argv


def note(text: str) -> None:
    with JOURNAL.open("a") as journal:
        journal.write(f"{text} {os.getpid()}\n")


def child(name: str, habit: str, say_up: Callable[[], None]) -> None:
    def stop(*_: object) -> None:
        note(f"asked {name}")
        if habit not in ("stubborn", "deaf"):
            time.sleep(0.1)
            note(f"left {name}")
            sys.exit(0)

    if habit == "fails":
        sys.exit(3)
    signal.signal(signal.SIGTERM, stop)
    if habit == "reloads":
        signal.signal(signal.SIGHUP, lambda *_: note(f"reloads {name}"))
    note(f"started {name}")
    if name.startswith("http-"):
        say_up()
    if habit == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    while True:
        signal.pause()


def main() -> int:
    logs.configure("info", "json")
    children = []
    for word in sys.argv[2:]:
        if word == "--hangup-ends":
            continue
        name, _, habit = word.partition(":")
        children.append(
            Child(
                name,
                lambda name=name, habit=habit: child(name, habit, family.say_up),
                stop_s=1 if habit == "stubborn" else 60,
                essential=name.startswith("http-"),
                reloads=habit == "reloads",
            )
        )
    ends = [signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if HANGUP_ENDS else [])]
    family = Family(children, ("http-", "demo", "consumer"), lambda: note("up"), ends)
    note("parent")
    return family.run()


if __name__ == "__main__":
    sys.exit(main())

"""What is done in a child comes back from it, and so does why it was not done."""

import os
import signal
from dataclasses import dataclass

import pytest

from common.settings import SettingsError
from gateway.supervision.preparation import in_child

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded:DeprecationWarning"  # of the test runner, not of serve
)


@dataclass(frozen=True)
class Made:
    by: int
    token: str | None = None


def test_result_comes_from_another_process() -> None:
    made = in_child(lambda: Made(os.getpid(), "ogw_x"), Made)()
    assert made.token == "ogw_x" and made.by != os.getpid()


def test_refusal_is_raised_again() -> None:
    def refuse() -> Made:
        raise SettingsError("DATABASE_URL is wrong: correct it.")

    with pytest.raises(SettingsError, match="DATABASE_URL is wrong: correct it"):
        in_child(refuse, Made)()


def test_any_other_failure_is_a_sentence() -> None:
    def fail() -> Made:
        raise LookupError("secret")

    with pytest.raises(SettingsError, match="LookupError") as refusal:
        in_child(fail, Made)()
    assert "secret" not in str(refusal.value)


def test_sudden_end_is_a_sentence() -> None:
    def die() -> Made:
        os.kill(os.getpid(), signal.SIGKILL)
        return Made(0)

    with pytest.raises(SettingsError, match="code -9"):
        in_child(die, Made)()

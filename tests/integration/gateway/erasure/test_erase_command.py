"""`gateway user erase`, called as the console calls it."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli import main

Gateway = Callable[..., tuple[int, str, str]]


@pytest.fixture
def team(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    database_url: str,
) -> Gateway:
    """Call the program on a database with the user alice, who has an access token."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gateway", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return (ended.value.code if isinstance(ended.value.code, int) else 0), said.out, said.err

    assert run("user", "add", "alice")[0] == run("token", "issue", "alice")[0] == 0
    return run


def test_it_says_what_it_removed_and_does_so_once(team: Gateway) -> None:
    code, out, _ = team("user", "erase", "alice", "--yes")
    assert (code, out) == (0, "alice is erased. Removed: 1 access tokens.\n")
    assert "alice" not in team("user", "list")[1] + team("token", "list")[1]
    code, _, err = team("user", "erase", "alice", "--yes")
    assert (code, err) == (1, "There is no user called alice.\n")
    assert team("user", "add", "alice")[0] == 0


def test_where_nobody_can_be_asked_nothing_happens_without_a_yes(team: Gateway) -> None:
    code, out, err = team("user", "erase", "alice")
    assert (code, out) == (2, "") and "--yes" in err
    assert "alice" in team("user", "list")[1]


def test_redis_that_is_away_does_not_keep_anybody_s_content(
    team: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    code, out, err = team("user", "erase", "alice", "--yes")
    assert code == 1 and "alice is erased" in out and "REDIS_URL" in err

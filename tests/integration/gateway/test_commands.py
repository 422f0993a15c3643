"""The commands of `gateway`, called as the console calls them."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
import redis

from common.schema import HEAD
from gateway.auth.tokens import well_formed
from gateway.cli import COMMANDS, main
from tests.conftest import RedisAt


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


Gateway = Callable[..., Ended]


@pytest.fixture
def gateway(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Gateway:
    """Call the program, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["gateway", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, said.out, said.err)

    return run


@pytest.fixture
def team(gateway: Gateway, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """The same, on a database with the user alice."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert gateway("user", "add", "alice").code == 0
    return gateway


def test_help_lists_every_command_and_teaches(gateway: Gateway) -> None:
    listed = gateway("--help")
    assert listed.code == 0 and all(name in listed.out for name in COMMANDS)
    assert "gateway token issue alice" in listed.out
    for name in ("migrate", "user", "token", "doctor"):
        shown = gateway(name, "--help")
        assert shown.code == 0 and "Example" in shown.out, name
    for line in (("user", "add"), ("token", "issue"), ("token", "revoke")):
        assert "Example" in gateway(*line, "--help").out


def test_a_token_is_issued_alone_on_standard_output(team: Gateway) -> None:
    issued = team("token", "issue", "alice", "--days", "3", "--name", "laptop")
    assert issued.code == 0 and issued.err == ""
    assert well_formed(issued.out.removesuffix("\n"))
    listed = team("token", "list", "alice").out
    assert issued.out.strip() not in listed and issued.out.strip()[-4:] in listed
    assert "laptop" in listed and "valid" in listed


def test_a_token_is_revoked_by_its_id(team: Gateway) -> None:
    team("token", "issue", "alice")
    revoked = team("token", "revoke", "1")
    assert (revoked.code, revoked.err) == (0, "") and "alice" in revoked.out
    assert "revoked" in team("token", "list").out


def test_users_are_listed_blocked_and_unblocked(team: Gateway) -> None:
    assert team("user", "add", "Bob 王", "--admin").code == 0
    rows = team("user", "list").out.splitlines()
    assert any("Bob 王" in row and "admin" in row for row in rows)
    assert any("alice" in row and "member" in row for row in rows)
    assert team("user", "block", "alice").code == 0
    assert "unblock" in team("token", "issue", "alice").err
    assert team("user", "unblock", "alice").code == 0
    assert team("token", "issue", "alice").code == 0


def test_two_users_are_linked_and_a_role_is_given(team: Gateway) -> None:
    assert team("user", "add", "alice-2").code == 0
    assert team("token", "issue", "alice-2").code == 0
    assert team("user", "link", "alice", "alice-2").code == 0
    assert "alice-2" not in team("token", "list", "alice").out
    assert len(team("token", "list", "alice").out.splitlines()) == 2
    met = ("--provider", "feishu", "--tenant", "t", "--subject", "on_1")
    assert "alice" in team("user", "link", "alice", *met).out
    assert team("user", "role", "alice", "admin").code == 0
    assert any("alice " in row and "admin" in row for row in team("user", "list").out.splitlines())


def test_registration_is_opened_and_closed(team: Gateway) -> None:
    assert team("registration", "show").out == "Registration is closed.\n"
    assert team("registration", "open").code == 0
    assert "Registration is open since" in team("registration", "show").out
    assert team("registration", "close").out == "Registration is closed.\n"


def test_a_password_is_read_from_standard_input(
    team: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for typed, code in (("correct horse\n", 0), ("short\n", 2), ("", 2)):
        monkeypatch.setattr(sys, "stdin", StringIO(typed))
        ended = team("user", "password", "alice", "--email", "Alice@Example.com")
        assert ended.code == code, ended.err
        assert "horse" not in ended.out
        assert ("alice@example.com" in ended.out) == (code == 0)


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (("user", "add", "alice"), 2, "already"),
        (("user", "link", "alice"), 2, "second user"),
        (("user", "link", "alice", "nobody"), 1, "nobody"),
        (("user", "role", "alice", "owner"), 2, "owner"),
        (("user", "add", " "), 2, "1 to 64"),
        (("user", "block", "nobody"), 1, "nobody"),
        (("token", "issue", "nobody"), 1, "nobody"),
        (("token", "list", "nobody"), 1, "nobody"),
        (("token", "revoke", "99"), 1, "99"),
        (("token", "revoke", "99999999999999999999"), 2, "ID"),
        (("token", "issue", "alice", "--days", "91"), 2, "TOKEN_DAYS_MAX"),
        (("token", "issue", "alice", "--days", "0"), 2, "days"),
        (("user", "erase", "alice"), 2, "--yes"),
        (("sserve",), 2, "sserve"),
    ],
)
def test_what_cannot_be_done_is_said_on_standard_error(
    team: Gateway, line: tuple[str, ...], code: int, says: str
) -> None:
    ended = team(*line)
    assert (ended.code, ended.out) == (code, "")
    assert says in ended.err and "Traceback" not in ended.err


def test_the_limit_of_tokens_holds_for_commands_too(
    team: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENS_PER_USER", "1")
    assert team("token", "issue", "alice").code == 0
    refused = team("token", "issue", "alice")
    assert refused.code == 2 and "TOKENS_PER_USER" in refused.err and refused.out == ""


def test_migrate_goes_forth_and_back(gateway: Gateway) -> None:
    empty = gateway("user", "list")
    assert empty.code == 2 and "gateway migrate" in empty.err
    assert not Path("data").exists()
    assert gateway("migrate").out == f"The database has revision {HEAD}.\n"
    assert gateway("user", "list").code == 0
    assert gateway("migrate", "--down", "base").code == 0
    assert gateway("user", "list").code == 2
    refused = gateway("migrate", "--down", "0815")
    assert refused.code == 2 and "Revisions are" in refused.err


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"DATABASE_URL": "postgresql://u:canary@127.0.0.1:1/d"}, "DATABASE_URL"),
        ({"DB_HOST": "db.invalid", "DB_PASSWORD": "canary"}, "DB_HOST"),
        ({"DATA_DIR": "/dev/null/data"}, "DATA_DIR"),
        ({"LOAD_BALANCER_RULE": "canary"}, "LOAD_BALANCER_RULE"),
        ({"ROCKETMQ_NAME_SERVER": "canary:9876"}, "AMQP_URL"),
    ],
)
def test_settings_that_cannot_be_used_are_one_sentence(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], says: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for line in (("migrate",), ("user", "list")):
        ended = gateway(*line)
        assert (ended.code, ended.out) == (2, "")
        if says != "DATA_DIR" or line == ("migrate",):
            assert says in ended.err
        assert "canary" not in ended.err and ended.err.count("\n") == 1


def test_a_revocation_is_announced(
    team: Gateway, redis_at: RedisAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_at.url)
    monkeypatch.setenv("REDIS_PREFIX", redis_at.prefix)
    with closing(redis.Redis.from_url(redis_at.url)) as client:
        subscription = client.pubsub(ignore_subscribe_messages=True)
        subscription.subscribe(f"{redis_at.prefix}:revocations")
        subscription.get_message(timeout=10)
        team("token", "issue", "alice")
        assert team("token", "revoke", "1").code == 0
        assert team("user", "block", "alice").code == 0
        heard = [subscription.get_message(timeout=10) for _ in range(2)]
        subscription.close()
    assert [m and m["data"] for m in heard] == [b"token_revoked 1", b"user_blocked 1"]


def test_a_revocation_that_cannot_be_announced_is_made_and_said(
    team: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    team("token", "issue", "alice")
    monkeypatch.setenv("REDIS_URL", "redis://:canary@127.0.0.1:1/0")
    revoked = team("token", "revoke", "1")
    assert revoked.code == 1 and "REDIS_URL" in revoked.err and "canary" not in revoked.err
    monkeypatch.delenv("REDIS_URL")
    assert "revoked" in team("token", "list").out


def test_the_module_is_the_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "user", "list"],
        env={"DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(Path.cwd())},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "gateway migrate" in done.stderr and done.stdout == ""

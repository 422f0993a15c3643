"""A changed gateway.toml: what is read, what is handed on, what is refused."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from anyio import Event, create_task_group, fail_after, wait_all_tasks_blocked
from structlog.testing import capture_logs

from common.settings import SettingsError
from gateway.reload import Reload
from gateway.upstream.credential import Credential, Upstream
from tests.support.scripted_wire import credentials


class House:
    """A file whose first number says how many credentials there are; `x` is a mistake."""

    def __init__(self, path: Path, start: int) -> None:
        self.path, self.applied = path, list[Sequence[Credential]]()
        self.reads = 0
        self.was_applied = Event()
        self.reload = Reload(path, credentials(start), self.read, self.apply)

    def read(self) -> Sequence[Credential]:
        self.reads += 1
        text = self.path.read_text()
        if text.startswith("x"):
            raise SettingsError("the mistake")
        if text.startswith("elsewhere"):
            return credentials(2, Upstream("openai", "https://elsewhere.example/v1"))
        return credentials(int(text))

    def apply(self, found: Sequence[Credential]) -> None:
        self.applied.append(found)
        self.was_applied.set()

    def look(self) -> list[dict[str, object]]:
        with capture_logs() as logged:
            self.reload.look()
        return list(logged)


@pytest.fixture
def house(tmp_path: Path) -> House:
    (tmp_path / "gateway.toml").write_text("2")
    return House(tmp_path / "gateway.toml", 2)


def test_the_first_look_reads_what_a_worker_may_have_missed(house: House) -> None:
    house.path.write_text("3")
    [line] = house.look()
    assert (line["event"], line["added"]) == ("upstreams_reloaded", ["openai/key-2"])
    assert house.applied == [credentials(3)]


def test_what_did_not_change_is_not_read_again(house: House) -> None:
    assert house.look() == house.look() == []
    assert (house.reads, house.applied) == (1, [])
    os.utime(house.path, (1, 1))
    assert house.look() == []
    assert house.reads == 2


def test_a_change_says_what_came_and_went(house: House) -> None:
    house.look()
    house.path.write_text("1 ")
    assert house.look()[0]["removed"] == ["openai/key-1"]
    house.path.write_text("elsewhere")
    [line] = house.look()
    assert (line["added"], line["changed"]) == (["openai/key-1"], ["openai/key-0"])


@pytest.mark.parametrize("mistake", ["x", None])
def test_a_mistake_changes_nothing_and_is_said_once(house: House, mistake: str | None) -> None:
    house.look()
    if mistake is None:
        house.path.unlink()
    else:
        house.path.write_text(mistake)
    [line] = house.look()
    assert (line["event"], line["log_level"]) == ("upstreams_refused", "error")
    assert house.look() == []
    assert house.applied == []
    house.path.write_text("  2")
    assert house.look() == []


def test_no_file_is_no_mistake(tmp_path: Path) -> None:
    house = House(tmp_path / "gateway.toml", 2)
    house.reload.ask()
    assert house.look() == house.look() == []


async def test_who_asks_is_answered_though_nothing_changed(house: House) -> None:
    async with create_task_group() as tasks:
        tasks.start_soon(house.reload.run)
        with fail_after(30):
            await wait_all_tasks_blocked()  # the first look is over
            house.reload.ask()
            await house.was_applied.wait()
        tasks.cancel_scope.cancel()
    assert house.applied == [credentials(2)]

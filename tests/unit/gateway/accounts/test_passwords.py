"""Hashing: right and wrong passwords, nobody's account, and one at a time."""

import asyncio
import threading

import pytest

from gateway.accounts import passwords as subject
from gateway.accounts.hashing import Argon2
from gateway.accounts.passwords import Passwords
from gateway.errors import Overloaded


async def test_a_password_opens_its_own_hash_and_no_other() -> None:
    passwords = Passwords()
    one, same = await passwords.hash("correct horse"), await passwords.hash("correct horse")
    assert one != same and one.startswith("$argon2id$") and "horse" not in one
    assert await passwords.verify(one, "correct horse")
    assert not await passwords.verify(one, "correct house")
    assert not await passwords.verify("no hash at all", "correct horse")


async def test_nobodys_password_is_verified_all_the_same() -> None:
    """The work is the same: a hash of the same costs is gone through."""
    argon2 = Argon2()
    costs = argon2.hash("x").rsplit("$", 2)[0]
    assert argon2._nobodys.rsplit("$", 2)[0] == costs
    assert not argon2.verify(None, "nobody's password")


async def test_they_take_turns_and_too_many_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MOST_WAITING", 3)
    go, at_once, most = threading.Event(), 0, 0

    class Slow:
        def hash(self, password: str) -> str:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            assert go.wait(30)
            at_once -= 1
            return password

    passwords = Passwords()
    passwords._hashing = Slow()  # type: ignore[assignment]
    waiting = [asyncio.create_task(passwords.hash(str(n))) for n in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await passwords.hash("one too many")
    go.set()
    assert await asyncio.gather(*waiting) == ["0", "1", "2"]
    assert most == 1
    assert await passwords.hash("again") == "again"

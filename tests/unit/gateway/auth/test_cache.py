"""What is remembered of tokens: how long it is good for, and never too much of it."""

from hashlib import sha256

import pytest

from gateway.auth.cache import NONE, Coverage, Known, TokenCache
from gateway.auth.principal import Principal
from gateway.auth.standing import Change, Standing, decode_change
from gateway.errors import BlockedUser, ExpiredToken, RevokedToken


def a_standing(token_id: int = 1, user_id: int = 1, expires_at: float = 1000) -> Standing:
    return Standing(Principal(user_id, "alice", "member", token_id, expires_at), False, False)


def digest(number: int) -> bytes:
    return sha256(str(number).encode()).digest()


def test_without_announcements_an_answer_is_good_for_a_second() -> None:
    known = Known(a_standing(), asked_at=10, announced=False)
    assert known.fresh(10.99, NONE)
    assert not known.fresh(11, NONE)


@pytest.mark.parametrize(
    ("tick", "coverage", "fresh"),
    [
        (40, Coverage(since=5, until=39.5), True),
        (40, Coverage(since=5, until=39.0), False),  # Redis has not answered for a second
        (40, Coverage(since=10.1, until=39.5), False),  # subscribed after the look-up began
        (70, Coverage(since=5, until=70), False),  # a minute is over
    ],
)
def test_with_announcements_it_is_good_while_none_can_be_missed(
    tick: float, coverage: Coverage, fresh: bool
) -> None:
    assert Known(a_standing(), asked_at=10, announced=False).fresh(tick, coverage) is fresh


def test_an_answer_that_an_announcement_overtook_is_not_covered() -> None:
    known = Known(a_standing(), asked_at=10, announced=True)
    assert known.fresh(10.5, Coverage(5, 11)) and not known.fresh(11, Coverage(5, 11))


def test_a_revocation_announced_refuses_at_once_and_is_looked_up() -> None:
    cache = TokenCache()
    cache.learn(digest(1), Known(a_standing(token_id=1), 10, False))
    cache.learn(digest(2), Known(a_standing(token_id=2), 10, False))
    cache.apply(Change("token_revoked", 1))
    one, two = cache.known(digest(1)), cache.known(digest(2))
    assert one and two and not one.fresh(10, Coverage(0, 10)) and two.fresh(10, NONE)
    with pytest.raises(RevokedToken):
        one.standing.admit(now=0)


def test_a_block_announced_refuses_every_token_of_the_user() -> None:
    cache = TokenCache()
    for number in (1, 2):
        cache.learn(digest(number), Known(a_standing(token_id=number, user_id=7), 10, False))
    cache.apply(Change("user_blocked", 7))
    for number in (1, 2):
        known = cache.known(digest(number))
        with pytest.raises(BlockedUser):
            assert known and known.standing.admit(now=0)


def test_any_other_change_of_a_user_asks_again() -> None:
    cache = TokenCache()
    cache.learn(digest(1), Known(a_standing(user_id=7), 10, False))
    cache.apply(Change("user_changed", 7))
    known = cache.known(digest(1))
    assert known and not known.fresh(10, NONE) and known.standing.admit(now=0).user == "alice"


def test_both_halves_are_bounded_and_the_longest_untouched_go() -> None:
    cache = TokenCache(most_known=3, most_unknown=2)
    for number in range(4):
        cache.learn(digest(number), Known(a_standing(), number, False))
        cache.learn(digest(1), Known(a_standing(), number, False))
        cache.learn_unknown(digest(100 + number), number)
    assert len(cache) == 5
    assert cache.known(digest(1)) and not cache.known(digest(0))
    assert cache.is_unknown(digest(103), 3.5) and not cache.is_unknown(digest(100), 0.5)


def test_a_token_is_either_known_or_unknown() -> None:
    cache = TokenCache()
    cache.learn_unknown(digest(1), 10)
    cache.learn(digest(1), Known(a_standing(), 10, False))
    assert not cache.is_unknown(digest(1), 10) and len(cache) == 1
    cache.learn_unknown(digest(1), 10)
    assert cache.known(digest(1)) is None and cache.is_unknown(digest(1), 10.9)
    assert not cache.is_unknown(digest(1), 11)


def test_expiry_is_checked_on_every_use() -> None:
    standing = a_standing(expires_at=1000)
    assert standing.admit(now=999.9).expires_at == 1000
    with pytest.raises(ExpiredToken):
        standing.admit(now=1000)


def test_changes_travel_and_nonsense_is_ignored() -> None:
    change = Change("user_blocked", 42)
    assert decode_change(change.encode()) == change
    for nonsense in (b"", b"user_blocked", b"user_blocked -1", b"dropped 1", b"\xff 1", b"a b c"):
        assert decode_change(nonsense) is None

"""Rules rank every credential; nothing here needs a loop or a clock."""

import pytest

from gateway.upstream.balancer import RULES, Caller, by_account
from gateway.upstream.credential import Credential, Upstream

UPSTREAM = Upstream("openai", "https://provider.example/v1")
POOL = [Credential(UPSTREAM, f"key-{n}", f"account-{n % 2}", f"secret-{n}") for n in range(4)]


@pytest.mark.parametrize("name", RULES)
def test_every_rule_ranks_each_credential_exactly_once(name: str) -> None:
    rule = RULES[name]()
    for _ in range(20):
        assert sorted(c.label for c in rule(POOL, Caller("10.0.0.1"))) == [c.label for c in POOL]


def test_round_robin_gives_each_its_turn() -> None:
    rule = RULES["round_robin"]()
    assert [rule(POOL, Caller())[0].label for _ in range(5)] == [
        "key-0",
        "key-1",
        "key-2",
        "key-3",
        "key-0",
    ]


def test_two_round_robins_count_for_themselves() -> None:
    one, other = RULES["round_robin"](), RULES["round_robin"]()
    assert one(POOL, Caller()) == other(POOL, Caller())


def test_random_does_not_favour_one() -> None:
    rule = RULES["random"]()
    assert {rule(POOL, Caller())[0].label for _ in range(200)} == {c.label for c in POOL}


def test_ip_hash_keeps_a_client_at_its_credential() -> None:
    rule = RULES["ip_hash"]()
    assert len({rule(POOL, Caller("10.1.2.3"))[0].label for _ in range(10)}) == 1


def test_ip_hash_moves_only_the_clients_of_a_lost_credential() -> None:
    rule = RULES["ip_hash"]()
    addresses = [f"10.0.{n // 250}.{n % 250}" for n in range(500)]
    before = {address: rule(POOL, Caller(address))[0].label for address in addresses}
    after = {address: rule(POOL[1:], Caller(address))[0].label for address in addresses}
    moved = {address for address in addresses if before[address] != after[address]}
    assert moved == {address for address in addresses if before[address] == "key-0"}


def test_least_busy_prefers_the_idle() -> None:
    rule = RULES["least_busy"]()
    busy = {c.id: n for c, n in zip(POOL, (3, 0, 2, 1), strict=True)}
    labels = [c.label for c in rule(POOL, Caller(in_flight=busy))]
    assert labels == ["key-1", "key-3", "key-2", "key-0"]


def test_by_account_brings_a_users_things_together() -> None:
    for user in range(20):
        ranked = by_account(POOL, Caller(user_id=user))
        assert ranked[0].account == ranked[1].account != ranked[2].account

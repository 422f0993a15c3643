"""Weights, priorities and affinity: properties of every rule, whatever the pool looks like."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.balancer import HEAD_BYTES, RULES, Caller, by_account, head_of
from gateway.upstream.credential import Credential, Upstream

UPSTREAM = Upstream("openai", "https://provider.example/v1")
POOL = [Credential(UPSTREAM, f"key-{n}", f"account-{n // 2}", f"secret-{n}") for n in range(4)]
HEAVY = [replace(c, weight=weight) for c, weight in zip(POOL, (1, 3), strict=False)]

pools = st.lists(
    st.tuples(st.floats(0.001, 1000), st.integers(-3, 3), st.integers(0, 3)),
    min_size=1,
    max_size=20,
).map(
    lambda drawn: [
        Credential(UPSTREAM, f"key-{n}", f"account-{account}", f"secret-{n}", weight, priority)
        for n, (weight, priority, account) in enumerate(drawn)
    ]
)
callers = st.builds(
    Caller,
    st.text(max_size=20),
    st.integers(0, 99),
    in_flight=st.dictionaries(
        st.integers(0, 20).map(lambda n: f"openai/key-{n}"), st.integers(0, 9)
    ),
    body=st.binary(max_size=40),
)


def firsts(name: str, pool: list[Credential], asked: list[Caller]) -> Counter[str]:
    rule = RULES[name]()
    return Counter(rule(pool, caller)[0].label for caller in asked)


@pytest.mark.parametrize("name", RULES)
@given(pool=pools, asked=st.lists(callers, min_size=1, max_size=5))
def test_all_are_ranked_once_and_greater_priorities_first(
    name: str, pool: list[Credential], asked: list[Caller]
) -> None:
    rule = RULES[name]()
    for caller in asked:
        ranked = rule(pool, caller)
        assert sorted(ranked, key=lambda c: c.label) == sorted(pool, key=lambda c: c.label)
        priorities = [c.priority for c in ranked]
        assert priorities == sorted(priorities, reverse=True)


@given(pool=pools, caller=callers)
def test_by_account_keeps_priorities_too(pool: list[Credential], caller: Caller) -> None:
    priorities = [c.priority for c in by_account(pool, caller)]
    assert priorities == sorted(priorities, reverse=True)


@given(weights=st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_round_robin_gives_each_exactly_its_weight(weights: list[int]) -> None:
    pool = [replace(POOL[0], label=str(n), weight=weight) for n, weight in enumerate(weights)]
    got = firsts("round_robin", pool, [Caller()] * sum(weights))
    assert got == {str(n): weight for n, weight in enumerate(weights)}


def test_a_heavy_key_does_not_get_its_turns_in_one_go() -> None:
    rule = RULES["round_robin"]()
    pool = [replace(c, weight=weight) for c, weight in zip(POOL, (5, 1, 1), strict=False)]
    order = "".join(rule(pool, Caller())[0].label[-1] for _ in range(7))
    assert order == "0010200"


def test_turns_of_two_models_do_not_disturb_each_other() -> None:
    rule = RULES["round_robin"]()
    seen = Counter[str]()
    for _ in range(10):
        seen[rule(POOL[:2], Caller(model="a"))[0].label] += 1
        seen[rule(POOL[2:], Caller(model="b"))[0].label] += 1
    assert set(seen.values()) == {5}


@pytest.mark.parametrize("name", ["random", "ip_hash"])
def test_three_times_the_weight_is_three_times_as_often_first(name: str) -> None:
    got = firsts(name, HEAVY, [Caller(f"10.0.{n // 250}.{n % 250}") for n in range(4000)])
    assert 2600 < got["key-1"] < 3400


def test_ip_hash_moves_no_client_between_keys_that_keep_their_weight() -> None:
    rule = RULES["ip_hash"]()
    heavier = [POOL[0], replace(POOL[1], weight=2.0), POOL[2]]
    for n in range(500):
        caller = Caller(f"10.1.{n // 250}.{n % 250}")
        before, after = rule(POOL[:3], caller)[0].label, rule(heavier, caller)[0].label
        assert after in (before, "key-1")


def test_least_busy_measures_by_weight() -> None:
    rule = RULES["least_busy"]()
    busy = {HEAVY[0].id: 1, HEAVY[1].id: 2}
    assert rule(HEAVY, Caller(in_flight=busy))[0].label == "key-1"


def chat(*said: str, tail: str = "") -> bytes:
    turns = ",".join(f'{{"role":"user","content":"{text}"}}' for text in said)
    return f'{{"model":"m","messages":[{turns}]{tail}}}'.encode()


LONG = "once upon a time " * (HEAD_BYTES // 16)


def test_a_conversation_that_grows_keeps_its_account() -> None:
    rule = RULES["prompt_affinity"]()
    for user in range(20):
        asked = [chat(*([LONG, *"abcdef"][: n + 1])) for n in range(6)]
        accounts = {rule(POOL, Caller(user_id=user, body=body))[0].account for body in asked}
        assert len(accounts) == 1


def test_keys_of_one_account_share_a_conversation() -> None:
    rule = RULES["prompt_affinity"]()
    ranked = [rule(POOL, Caller(body=chat(LONG))) for _ in range(4)]
    assert len({order[0].label for order in ranked}) == 2
    assert all(order[0].account == order[1].account != order[2].account for order in ranked)


def test_conversations_and_users_spread_over_accounts() -> None:
    bodies = [Caller(user_id=1, body=chat(f"{n} {LONG}")) for n in range(40)]
    users = [Caller(user_id=n, body=chat(LONG)) for n in range(40)]
    rule = RULES["prompt_affinity"]()
    for asked in (bodies, users):
        assert {rule(POOL, caller)[0].account for caller in asked} == {"account-0", "account-1"}


def test_losing_an_account_moves_only_its_conversations() -> None:
    rule = RULES["prompt_affinity"]()
    pool = [replace(c, account=c.label) for c in POOL]
    for n in range(100):
        caller = Caller(user_id=n, body=chat(LONG))
        before = rule(pool, caller)[0].account
        after = rule(pool[1:], caller)[0].account
        assert after == before or before == "key-0"


@pytest.mark.parametrize(
    ("body", "head"),
    [
        (b'{"model":"m","input":"hi"}', b'"input":"hi"}'),
        (b'{"prompt":"hi"}', b'"prompt":"hi"}'),
        (b'{"input":1,"messages":[]}', b'"messages":[]}'),
        (b'{"file":"x"}', b""),
        (b"", b""),
    ],
)
def test_the_head_is_where_the_question_begins(body: bytes, head: bytes) -> None:
    assert head_of(body) == head
    assert len(head_of(body + b"x" * 5000)) <= HEAD_BYTES

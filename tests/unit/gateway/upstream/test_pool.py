"""The pool over a scripted wire: who is tried, how often, and what the caller is told."""

import gc
import tracemalloc
from collections.abc import AsyncIterator

import pytest
from anyio import create_task_group, move_on_after, wait_all_tasks_blocked

from gateway.errors import (
    CircuitOpen,
    GatewayError,
    NoUsableCredential,
    RateLimited,
    UnknownModel,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.upstream.balancer import RULES, Caller
from gateway.upstream.call import Call
from gateway.upstream.credential import Credential, Upstream
from gateway.upstream.pool import Pool
from gateway.upstream.wire import Lost, NotSent, TimedOut, WireError
from tests.support.scripted_wire import (
    Script,
    ScriptedAnswer,
    ScriptedTransport,
    by_key,
    credentials,
)

QUOTA = b'{"error": {"message": "spent", "type": "insufficient_quota", "code": null}}'
FINE: Script = lambda request: ScriptedAnswer()  # noqa: E731 - reads as what it is


def in_order(serving: object, caller: Caller) -> list[Credential]:
    assert isinstance(serving, list)
    return list(serving)


def pool(
    script: Script, pooled: list[Credential] | None = None, *, retries: int = 3, wait_s: float = 0
) -> tuple[Pool, ScriptedTransport]:
    wire = ScriptedTransport(script)
    chosen = credentials(3) if pooled is None else pooled
    return (
        Pool(chosen, wire, in_order, retry_count=retries, retry_time_s=0, wait_s=wait_s),
        wire,
    )


def call(model: str | None = "gpt", **more: object) -> Call:
    return Call(b"POST", b"/chat/completions", [], lambda upstream: b"{}", model, **more)  # type: ignore[arg-type]


def failing(status: int, body: bytes = b"{}", **headers: str) -> ScriptedAnswer:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return ScriptedAnswer(status, (body,), raw)


async def test_a_good_answer_costs_one_attempt() -> None:
    tested, wire = pool(FINE)
    reply = await tested.send(call())
    assert (reply.status, wire.keys) == (200, ["secret-0"])
    assert [(a.credential, a.status) for a in reply.tried.attempts] == [("key-0", 200)]
    assert await reply.read() == b"{}"


async def test_in_flight_returns_to_zero_when_the_reply_is_closed_twice() -> None:
    tested, _ = pool(FINE)
    reply = await tested.send(call())
    assert tested.in_flight() == 1
    reply.close()
    reply.close()
    assert tested.in_flight() == 0


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
async def test_a_clients_own_error_is_returned_and_never_retried(status: int) -> None:
    tested, wire = pool(lambda request: failing(status, b'{"error": {"message": "no"}}'))
    for _ in range(100):
        reply = await tested.send(call())
        assert (reply.status, reply.error_body) == (status, b'{"error": {"message": "no"}}')
        reply.close()
    assert len(wire.sent) == 100
    assert set(wire.keys) == {"secret-0"}, "nothing was put out"


@pytest.mark.parametrize("status", [401, 402, 403, 429, 500, 503])
async def test_a_failing_key_is_not_the_clients_problem(status: int) -> None:
    body = b'{"error": {"message": "", "code": "invalid_api_key"}}' if status == 403 else b""
    tested, wire = pool(by_key({"secret-0": failing(status, body)}, FINE))
    reply = await tested.send(call())
    assert (reply.status, wire.keys) == (200, ["secret-0", "secret-1"])
    assert [a.status for a in reply.tried.attempts] == [status, 200]


async def test_a_key_that_is_out_is_not_tried_again() -> None:
    tested, wire = pool(by_key({"secret-0": failing(401)}, FINE))
    for _ in range(3):
        (await tested.send(call())).close()
    assert wire.keys == ["secret-0", "secret-1", "secret-1", "secret-1"]


async def test_a_key_that_may_not_do_this_is_not_blamed_and_the_next_one_tried() -> None:
    scope = failing(401, b'{"error": {"message": "no", "code": "missing_scope"}}')
    tested, wire = pool(by_key({"secret-0": scope}, FINE))
    for _ in range(2):
        assert (await tested.send(call())).status == 200
    assert wire.keys == ["secret-0", "secret-1"] * 2
    tested, wire = pool(lambda request: failing(401, scope.pieces[0]))  # type: ignore[arg-type]
    assert (await tested.send(call())).status == 401, "the last word is the upstream's"
    assert wire.keys == ["secret-0", "secret-1", "secret-2"]


async def test_the_turns_of_a_key_that_rests_are_shared_by_all_others() -> None:
    wire = ScriptedTransport(by_key({"secret-1": failing(401)}, FINE))
    rule = RULES["round_robin"]()
    tested = Pool(credentials(3), wire, rule, retry_count=3, retry_time_s=0, wait_s=0)
    for _ in range(22):
        (await tested.send(call())).close()
    assert wire.keys.count("secret-1") == 1
    assert abs(wire.keys.count("secret-0") - wire.keys.count("secret-2")) <= 2


@pytest.mark.parametrize("answer", [failing(401), failing(429, QUOTA)])
async def test_with_every_key_out_the_gateway_answers_for_itself(answer: ScriptedAnswer) -> None:
    tested, wire = pool(lambda request: failing(answer.status, QUOTA))
    sent = call()
    with pytest.raises(NoUsableCredential):
        await tested.send(sent)
    assert sorted(wire.keys) == ["secret-0", "secret-1", "secret-2"]
    assert len(sent.attempts) == 3
    with pytest.raises(NoUsableCredential):
        await tested.send(call())
    assert len(wire.sent) == 3


async def test_rate_limits_everywhere_give_429_with_the_soonest_return() -> None:
    limits = {f"secret-{n}": failing(429, retry_after=str(20 + n)) for n in range(3)}
    tested, _ = pool(by_key(limits, FINE), wait_s=5)
    with pytest.raises(RateLimited) as caught:
        await tested.send(call())
    assert 18 < (caught.value.retry_after_s or 0) <= 20


async def test_a_429_without_retry_after_still_rotates() -> None:
    tested, wire = pool(by_key({"secret-0": failing(429)}, FINE))
    assert (await tested.send(call())).status == 200
    assert wire.keys == ["secret-0", "secret-1"]


async def test_a_call_waits_for_a_key_that_is_soon_back() -> None:
    answers = iter([failing(429, retry_after_ms="30"), ScriptedAnswer()])
    tested, wire = pool(lambda request: next(answers), credentials(1), wait_s=30)
    assert (await tested.send(call())).status == 200
    assert wire.keys == ["secret-0", "secret-0"]


async def test_attempts_never_exceed_one_and_the_retries() -> None:
    tested, wire = pool(lambda request: failing(500), retries=2)
    reply = await tested.send(call())
    assert reply.status == 500, "the upstream's own last word"
    assert wire.keys == ["secret-0", "secret-1", "secret-2"]


def test_names_that_clients_choose_take_bounded_memory() -> None:
    """Any model is served here, so whoever serves it could be kept in mind for each name."""
    tested, _ = pool(FINE)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(200):
            tested.serving(call(f"{number}" + "x" * 100_000))
        for number in range(5_000):
            tested.serving(call(f"model-{number}"))
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()


async def test_attempts_are_on_distinct_keys_while_one_is_left_and_take_turns_then() -> None:
    tested, wire = pool(lambda request: failing(500), credentials(2), retries=3)
    await tested.send(call())
    assert wire.keys == ["secret-0", "secret-1", "secret-0", "secret-1"]


@pytest.mark.parametrize(
    ("error", "told", "tries"),
    [
        (NotSent(), UpstreamUnavailable, 4),
        (TimedOut("connect"), UpstreamTimeout, 4),
        (Lost(), UpstreamUnavailable, 2),
        (TimedOut("first_byte"), UpstreamTimeout, 2),
    ],
)
async def test_what_may_have_been_billed_is_retried_once(
    error: WireError, told: type[GatewayError], tries: int
) -> None:
    tested, wire = pool(lambda request: error)
    sent = call()
    with pytest.raises(told):
        await tested.send(sent)
    assert len(wire.sent) == tries
    assert {a.maybe_billed for a in sent.attempts} == {error.written}


async def test_a_call_that_creates_something_is_never_sent_again() -> None:
    tested, wire = pool(lambda request: Lost())
    with pytest.raises(UpstreamUnavailable):
        await tested.send(call(creates=True))
    assert len(wire.sent) == 1


async def test_failing_upstreams_open_the_circuit() -> None:
    tested, _ = pool(lambda request: NotSent(), credentials(1), retries=9)
    with pytest.raises(UpstreamUnavailable):
        await tested.send(call())
    with pytest.raises(CircuitOpen) as caught:
        await tested.send(call())
    assert 0 < (caught.value.retry_after_s or 0) <= 5


async def test_an_unknown_model_is_refused_without_a_call() -> None:
    listed = Upstream("listed", "https://listed.example/v1", models=frozenset({"gpt"}))
    tested, wire = pool(FINE, credentials(1, listed))
    with pytest.raises(UnknownModel):
        await tested.send(call("other"))
    assert wire.sent == []


async def test_an_upstream_that_names_the_model_goes_before_one_that_takes_any() -> None:
    listed = Upstream("listed", "https://listed.example/v1", models=frozenset({"gpt"}))
    tested, _ = pool(FINE, [*credentials(1), *credentials(1, listed)])
    assert (await tested.send(call("gpt"))).credential.upstream.name == "listed"
    assert (await tested.send(call("other"))).credential.upstream.name == "openai"


async def test_a_call_about_a_resource_goes_to_its_account() -> None:
    other = Upstream("other", "https://other.example/v1")
    tested, _ = pool(FINE, [*credentials(2), *credentials(1, other)])
    reply = await tested.send(call(None, account=("other", "other")))
    assert reply.credential.upstream.name == "other"


async def test_the_key_goes_where_the_upstream_wants_it() -> None:
    azure = Upstream("azure", "https://azure.example/openai/v1", key_style="api-key")
    tested, wire = pool(FINE, credentials(1, azure))
    await tested.send(call())
    assert (b"api-key", b"secret-0") in wire.sent[0].headers
    assert b"authorization" not in dict(wire.sent[0].headers)


async def test_an_upload_that_was_read_is_not_sent_again() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"data"

    tested, wire = pool(lambda request: failing(500))
    upload = Call(b"POST", b"/files", [], pieces())
    with pytest.raises(UpstreamUnavailable):
        await tested.send(upload)
    assert wire.bodies == [b"data"]


async def test_a_cancelled_call_blames_nobody_and_leaks_nothing() -> None:
    tested, wire = pool(FINE)
    wire.hang = True
    for _ in range(20):
        with move_on_after(0.001):
            await tested.send(call())
    assert tested.in_flight() == 0
    wire.hang = False
    assert (await tested.send(call())).credential.label == "key-0"


async def test_retries_are_bounded_by_a_budget() -> None:
    wire = ScriptedTransport(lambda request: failing(500))
    tested = Pool(credentials(1), wire, in_order, retry_count=1, retry_time_s=30, wait_s=0)
    failures: list[GatewayError] = []

    async def one() -> None:
        try:
            await tested.send(call())
        except GatewayError as error:
            failures.append(error)

    async with create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(one)
        await wait_all_tasks_blocked()
        assert len(wire.sent) == 4
        assert len(failures) == 1, "three may retry, the fourth is told at once"
        tasks.cancel_scope.cancel()
    assert tested.in_flight() == 0


async def test_replaced_credentials_serve_from_the_next_call_on() -> None:
    tested, wire = pool(by_key({"secret-1": Lost()}, FINE), credentials(2), retries=0)
    for _ in range(2):
        (await tested.send(call())).close()
    tested.replace([Credential(Upstream("new", "https://new.example/v1"), "a", "new", "new-key")])
    (await tested.send(call())).close()
    assert wire.keys == ["secret-0", "secret-0", "new-key"]
    assert tested.in_flight() == 0


async def test_a_call_under_way_ends_with_the_credentials_that_it_began_with() -> None:
    tested, wire = pool(FINE, credentials(2))
    reply = await tested.send(call())
    new = Credential(Upstream("new", "https://new.example/v1"), "a", "new", "new-key")
    tested.replace([new])
    again = await tested.resend(reply, NotSent())
    again.broke_off(Lost())
    again.close()
    assert wire.keys == ["secret-0", "secret-1"]
    assert tested.in_flight() == 0
    assert list(tested.health) == ["new/a"]


async def test_a_key_that_stays_keeps_its_health_and_a_new_one_has_none() -> None:
    dead = ScriptedAnswer(401, (b'{"error": {"code": "invalid_api_key"}}',))
    tested, wire = pool(by_key({"secret-0": dead}, FINE), credentials(2))
    (await tested.send(call())).close()
    kept, other = credentials(2)
    tested.replace([kept, other])
    (await tested.send(call())).close()
    assert wire.keys == ["secret-0", "secret-1", "secret-1"]
    tested.replace([Credential(kept.upstream, kept.label, kept.account, "fresh"), other])
    (await tested.send(call())).close()
    assert wire.keys[-1] == "fresh"


async def test_a_client_that_leaves_between_two_tries_leaves_the_budget_whole() -> None:
    wire = ScriptedTransport(lambda request: ScriptedAnswer(200, (Lost(),)))
    tested = Pool(credentials(2), wire, in_order, retry_count=1, retry_time_s=60, wait_s=0)
    for _ in range(4):
        reply = await tested.send(call())
        with move_on_after(0.01):
            await tested.resend(reply, Lost())
    assert tested._retrying == 0
    assert tested.in_flight() == 0

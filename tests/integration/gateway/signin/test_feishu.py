"""Feishu's login against a fake of it: each of its flows, and each way in which it can fail."""

from collections.abc import AsyncIterator, Iterator

import anyio
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway.auth.identities import Identity
from gateway.errors import (
    GatewayError,
    LoginProviderFailed,
    LoginProviderSlow,
    NotAdmitted,
    SignInRefused,
)
from gateway.signin.calls import MAX_ANSWER_BYTES, MOST_AT_ONCE, ProviderCalls
from gateway.signin.provider import Returned
from gateway.signin.providers.feishu import Feishu, Places
from tests.support.coming_back import REDIRECT_URI, and_back, plain_client, there
from tests.support.fake_feishu_login import TENANT, FakeFeishuLogin, fake_feishu_login

ALICE = Identity("feishu", TENANT, "on_alice")


@pytest.fixture(scope="module")
def shared_fake() -> Iterator[FakeFeishuLogin]:
    with fake_feishu_login(REDIRECT_URI) as fake:
        yield fake


@pytest.fixture
def fake(shared_fake: FakeFeishuLogin) -> Iterator[FakeFeishuLogin]:
    yield shared_fake
    for kept in (shared_fake.faults, shared_fake.slow_s, shared_fake.tenants):
        kept.clear()
    shared_fake.unavailable_to.clear()
    shared_fake.asked.clear()


@pytest.fixture
async def calls() -> AsyncIterator[ProviderCalls]:
    async with plain_client() as client:
        yield ProviderCalls(client)


def feishu(
    fake: FakeFeishuLogin, calls: ProviderCalls, flow: str = "v3", secret: str = "", *tenants: str
) -> Feishu:
    passport = f"{fake.url}/suite/passport/oauth"
    authorize, info = (f"{fake.url}/open-apis/authen/v1/{x}" for x in ("authorize", "user_info"))
    places = {
        "v3": Places(authorize, f"{fake.url}/oauth/v3/token", info),
        "v2": Places(authorize, f"{fake.url}/open-apis/authen/v2/oauth/token", info),
        "passport": Places(*(f"{passport}/{name}" for name in ("authorize", "token", "userinfo"))),
    }[flow]
    return Feishu(fake.client_id, secret or fake.client_secret, places, frozenset(tenants), calls)


@pytest.mark.parametrize("flow", ["v3", "v2", "passport"])
async def test_every_flow_leads_to_the_same_person(
    fake: FakeFeishuLogin, calls: ProviderCalls, flow: str
) -> None:
    person = await and_back(feishu(fake, calls, flow))
    assert (person.identity, person.display_name) == (ALICE, "Alice")


async def test_a_code_is_good_for_once(fake: FakeFeishuLogin, calls: ProviderCalls) -> None:
    provider = feishu(fake, calls)
    returned = await there(provider)
    await provider.person(returned)
    with pytest.raises(SignInRefused):
        await provider.person(returned)


@pytest.mark.parametrize(
    "change",
    [{"verifier": "x" * 43}, {"code": "made-up"}, {"redirect_uri": f"{REDIRECT_URI}/other"}],
)
async def test_what_does_not_fit_the_code_is_refused(
    fake: FakeFeishuLogin, calls: ProviderCalls, change: dict[str, str]
) -> None:
    with pytest.raises(SignInRefused):
        await and_back(feishu(fake, calls), **change)


async def test_only_tenants_of_the_list_are_let_in(
    fake: FakeFeishuLogin, calls: ProviderCalls
) -> None:
    provider = feishu(fake, calls, "v3", "", TENANT, "other")
    assert (await and_back(provider)).identity == ALICE
    fake.tenants["alice"] = "foreign"
    with pytest.raises(NotAdmitted):
        await and_back(provider)


async def test_whom_the_app_is_not_available_to_is_not_let_in(
    fake: FakeFeishuLogin, calls: ProviderCalls
) -> None:
    fake.unavailable_to.add("alice")
    with pytest.raises(NotAdmitted):
        await and_back(feishu(fake, calls))


FAULTS: list[tuple[str, Response, str]] = [
    ("token", PlainTextResponse("Bad Gateway", 500), "HTTP status 500"),
    ("token", PlainTextResponse("404 page not found", 404), "no JSON object"),
    ("token", JSONResponse({"code": 20050, "msg": "internal"}), "error 20050"),
    ("token", JSONResponse({"code": 0}), "no access token"),
    ("token", JSONResponse([1, 2]), "no JSON object"),
    ("user_info", Response(b'{"data": {"name": "\xff"}}'), "200 and no JSON"),
    ("user_info", Response(b'{"data":' * 50_000), "status 200 and no"),
    ("token", PlainTextResponse("x" * (MAX_ANSWER_BYTES + 1)), "too large"),
    ("user_info", JSONResponse({"code": 20005, "msg": "token invalid"}), "error 20005"),
    ("user_info", PlainTextResponse("", 503), "HTTP status 503"),
    ("user_info", JSONResponse({"code": 0, "data": {"name": "Alice"}}), "tenant_key"),
    ("user_info", JSONResponse({"code": 0, "data": {"tenant_key": 1, "union_id": []}}), "union_id"),
]


@pytest.mark.parametrize(("step", "answer", "reason"), FAULTS, ids=[f[2] for f in FAULTS])
async def test_an_answer_that_is_none_is_the_provider_s_failure(
    fake: FakeFeishuLogin, calls: ProviderCalls, step: str, answer: Response, reason: str
) -> None:
    fake.faults[step] = answer
    with pytest.raises(LoginProviderFailed, match=reason) as failed:
        await and_back(feishu(fake, calls))
    assert fake.client_secret not in failed.value.message


async def test_a_wrong_secret_is_said_without_the_secret(
    fake: FakeFeishuLogin, calls: ProviderCalls
) -> None:
    with pytest.raises(LoginProviderFailed, match="error 20002") as failed:
        await and_back(feishu(fake, calls, "v3", "wrong-secret"))
    assert "wrong-secret" not in failed.value.message


async def test_a_passing_failure_of_user_info_is_tried_again_but_never_a_code(
    fake: FakeFeishuLogin, calls: ProviderCalls
) -> None:
    fake.faults["user_info"] = fake.faults["token_v2"] = PlainTextResponse("", 500)
    with pytest.raises(LoginProviderFailed):
        await and_back(feishu(fake, calls))
    with pytest.raises(LoginProviderFailed):
        await and_back(feishu(fake, calls, "v2"))
    assert fake.asked.count("user_info") == 2 and fake.asked.count("token_v2") == 1


@pytest.mark.parametrize("step", ["token", "user_info"])
async def test_a_slow_provider_is_given_up_and_holds_nobody_else(
    fake: FakeFeishuLogin, calls: ProviderCalls, step: str
) -> None:
    fake.slow_s[step] = 30
    returned = await there(feishu(fake, calls))
    async with anyio.create_task_group() as tasks:
        hasty = feishu(fake, ProviderCalls(calls._client, patience_s=0.3))
        tasks.start_soon(given_up, hasty, returned)
        assert (await and_back(feishu(fake, calls, "passport"))).identity == ALICE


async def given_up(provider: Feishu, returned: Returned) -> None:
    with pytest.raises(LoginProviderSlow):
        await provider.person(returned)


async def test_a_provider_that_is_not_there_is_said_so(calls: ProviderCalls) -> None:
    nowhere = Places("", "http://127.0.0.1:1/token", "")
    provider = Feishu("id", "top-secret", nowhere, frozenset(), calls)
    with pytest.raises(LoginProviderFailed, match="ConnectError") as failed:
        await provider.person(Returned("code", REDIRECT_URI, "verifier", "nonce"))
    assert "secret" not in failed.value.message


async def test_a_crowd_at_a_slow_provider_is_bounded(
    fake: FakeFeishuLogin, calls: ProviderCalls
) -> None:
    fake.slow_s["token"] = 1
    returned = Returned("made-up", REDIRECT_URI, "verifier", "nonce")
    refused: list[int] = []

    async def come() -> None:
        try:
            await feishu(fake, calls).person(returned)
        except GatewayError as error:
            refused.append(error.status)

    async with anyio.create_task_group() as tasks:
        for _ in range(MOST_AT_ONCE + 10):
            tasks.start_soon(come)
    assert refused.count(503) == 10 and len(refused) == MOST_AT_ONCE + 10

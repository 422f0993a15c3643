"""Calls to Feishu, against a fake as strict as the real one."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from starlette.responses import PlainTextResponse

from gateway.bots.bot import ProviderFailed, ProviderRefused
from gateway.bots.calling import Caller
from gateway.bots.message import Message, Person
from gateway.bots.providers import feishu_cards
from gateway.bots.providers.feishu import Feishu
from gateway.bots.providers.feishu_api import OpenAPI
from gateway.bots.providers.feishu_events import Events, Secrets
from tests.support.fake_bot import asked
from tests.support.fake_feishu import FakeFeishu, Fault, fake_feishu
from tests.support.fake_feishu_events import message

ALICE = Person("feishu", "736DEMO", "on_alice")
HELLO = Message("Hello", ["**there**"], "en")


@pytest.fixture
def fake() -> Iterator[FakeFeishu]:
    with fake_feishu() as serving:
        yield serving


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=5, trust_env=False) as client:
        yield client


@pytest.fixture
def bot(fake: FakeFeishu, client: httpx2.AsyncClient) -> Feishu:
    return made(fake, client)


def made(
    fake: FakeFeishu,
    client: httpx2.AsyncClient,
    secret: str | None = None,
    first_pause_s: float = 0.01,
) -> Feishu:
    caller = Caller(client, "feishu", first_pause_s)
    api = OpenAPI(caller, fake.url, fake.app_id, secret or fake.app_secret, fake.clock)
    events = Events(fake.app_id, (), feishu_cards.reply)
    return Feishu(events, Secrets("", ""), api, None, "zh")


async def test_one_token_is_asked_for_however_many_need_it(fake: FakeFeishu, bot: Feishu) -> None:
    await asyncio.gather(*(bot.check() for _ in range(10)))
    assert fake.asked.count("token") == 1


async def test_a_token_is_renewed_half_an_hour_before_its_end(
    fake: FakeFeishu, client: httpx2.AsyncClient
) -> None:
    now = 1000.0
    fake.clock = lambda: now
    bot = made(fake, client)
    for later_s, asked_for in ((0, 1), (5300, 1), (200, 2), (5000, 2), (8000, 3)):
        now += later_s
        await bot.check()
        assert fake.asked.count("token") == asked_for, now


async def test_a_token_that_is_not_good_any_more_is_renewed(fake: FakeFeishu, bot: Feishu) -> None:
    await bot.check()
    fake.forget_token()
    await bot.tell(ALICE, HELLO, "1")
    assert (fake.asked.count("token"), len(fake.to("alice"))) == (2, 1)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {}),
        (502, {"code": 1, "msg": "bad gateway"}),
        (200, {"code": 230020, "msg": "frequency limit"}),
        (400, {"code": 230049, "msg": "being sent"}),
    ],
)
async def test_what_may_work_later_is_tried_again(
    fake: FakeFeishu, bot: Feishu, status: int, body: dict[str, object]
) -> None:
    fake.fail("message", status, times=3, **body)
    await bot.tell(ALICE, HELLO, "1")
    assert fake.asked.count("message") == 4
    assert len(fake.to("alice")) == 1


async def test_it_is_not_tried_for_ever(fake: FakeFeishu, bot: Feishu) -> None:
    fake.fail("message", 500, times=99)
    with pytest.raises(ProviderFailed, match="status 500"):
        await bot.tell(ALICE, HELLO, "1")
    assert fake.asked.count("message") == 5


async def test_a_limit_is_waited_out(fake: FakeFeishu, client: httpx2.AsyncClient) -> None:
    bot = made(fake, client, first_pause_s=0.5)
    for number in range(7):  # five a second is what one chat may get
        await bot.tell(ALICE, HELLO, str(number))
    assert len(fake.to("alice")) == 7


async def test_the_same_mark_is_said_once_though_the_answer_was_lost(
    fake: FakeFeishu, bot: Feishu
) -> None:
    lost = Fault("message", PlainTextResponse("lost", 502), times=2, done_first=True)
    fake.faults.append(lost)
    await bot.tell(ALICE, HELLO, "1")
    assert len(fake.to("alice")) == 1
    await bot.tell(ALICE, HELLO, "2")
    assert len(fake.to("alice")) == 2


async def test_a_card_that_is_not_taken_becomes_a_text(fake: FakeFeishu, bot: Feishu) -> None:
    fake.fail("message", 400, code=230099, msg="bad card")
    await bot.tell(ALICE, HELLO, "1")
    (sent,) = fake.to("alice")
    assert (sent.msg_type, sent.content) == ("text", {"text": "Hello\n\nthere"})


async def test_what_feishu_refuses_is_not_tried_again(fake: FakeFeishu, bot: Feishu) -> None:
    fake.unreachable.add("alice")
    with pytest.raises(ProviderRefused, match=r"230013.*log id fake"):
        await bot.tell(ALICE, HELLO, "1")
    assert fake.asked.count("message") == 1


async def test_a_wrong_secret_or_host_is_said(fake: FakeFeishu, client: httpx2.AsyncClient) -> None:
    with pytest.raises(ProviderRefused, match="10014"):
        await made(fake, client, "wrong").check()
    fake.url += "/nowhere"
    with pytest.raises(ProviderRefused, match="FEISHU_OPEN_URL"):
        await made(fake, client).check()


async def test_a_group_is_answered_where_the_bot_is_mentioned(
    fake: FakeFeishu, bot: Feishu
) -> None:
    events = Events(fake.app_id, (), feishu_cards.reply)
    for mention in (True, False):
        event = json.dumps(message(fake, "help", group=True, mention=mention)).encode()
        inbound = events.understand(event).inbound
        assert inbound is not None
        assert await bot.concerns(inbound) is mention
    assert await bot.concerns(asked("help"))


async def test_names_need_a_scope(fake: FakeFeishu, bot: Feishu) -> None:
    assert await bot.name_of(ALICE) == "Alice"
    fake.names_shown = False
    with pytest.raises(ProviderRefused):
        await bot.name_of(ALICE)

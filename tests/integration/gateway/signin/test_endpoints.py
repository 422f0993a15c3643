"""The pages behind https and a path, with a clock of one's own: cookies, addresses, time."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from sqlalchemy.engine import make_url
from starlette.applications import Starlette

from common.database import make_engine
from gateway.auth.identities import Identity, IdentityStore
from gateway.auth.keys import KeyDesk, KeyTerms
from gateway.auth.principals import Principals
from gateway.auth.store import AuthStore
from gateway.signin import endpoints, endpoints_keys, endpoints_start
from gateway.signin.endpoints import MOST_UNDER_WAY, Door
from gateway.signin.endpoints_start import Choice
from gateway.signin.pages import Pages
from gateway.signin.provider import Asked, Person, Returned
from gateway.signin.session import LASTS
from gateway.signin.sign_in import GOOD_FOR_S
from gateway.signin.store import SignInStore
from gateway.signin.web import Address, Web

PUBLIC = "https://team.example/below"


class Provider:
    """It lets everybody in whose code is their name, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.returned: list[Returned] = []

    async def authorize_url(self, asked: Asked) -> str:
        self.asked.append(asked)
        return f"https://login.example/?state={asked.state}"

    async def person(self, returned: Returned) -> Person:
        self.returned.append(returned)
        return Person(Identity("there", "t", returned.code), returned.code)


class House:
    """The pages, a provider, and a clock."""

    def __init__(self, database: str) -> None:
        self.engine = make_engine(make_url(database))
        self.provider, self.now = Provider(), datetime(2026, 11, 21, 12, tzinfo=UTC)
        address, store = Address(PUBLIC), SignInStore(self.engine)
        web, people = Web(Pages(address.base, PUBLIC), address, login=True), AuthStore(self.engine)
        doors = {name: Door(name, self.provider) for name in ("there", "other")}
        identities = IdentityStore(self.engine)
        keys = KeyDesk(people, Principals(people), KeyTerms(10, 90, 5))
        routes = [
            *endpoints_start.routes(web, [Choice("there", "There", "那里")]),
            *endpoints.routes(web, doors, store, identities, 10, lambda: self.now),
            *endpoints_keys.routes(web, store, keys, lambda: self.now),
        ]
        transport = httpx2.ASGITransport(Starlette(routes=routes))
        # a proxy takes the path away, as AUTH_SERVICE_URL says that one does
        self.browser = httpx2.AsyncClient(transport=transport, base_url="https://team.example")

    async def begin(self, query: str = "", name: str = "there") -> str:
        """The state that the provider is told."""
        answer = await self.browser.get(f"/auth/login/{name}{query}")
        assert answer.status_code == 303, answer.text
        return parse_qs(urlsplit(answer.headers["location"]).query)["state"][0]

    async def come_back(self, state: str, name: str = "there") -> httpx2.Response:
        return await self.browser.get(f"/auth/callback/{name}?code=alice&state={state}")


@pytest.fixture
async def house(sqlite_database: str) -> AsyncIterator[House]:
    house = House(sqlite_database)
    yield house
    await house.browser.aclose()
    await house.engine.dispose()


async def test_cookies_are_for_this_host_and_for_https_only(house: House) -> None:
    await house.come_back(await house.begin())
    for cookie in house.browser.cookies.jar:
        assert cookie.name.startswith("__Host-ogw_") and cookie.secure and cookie.path == "/"


async def test_addresses_are_those_of_the_setting(house: House) -> None:
    back = await house.come_back(await house.begin())
    assert back.headers["location"] == "/below/auth/keys"
    asked, returned = house.provider.asked[0], house.provider.returned[0]
    assert asked.redirect_uri == returned.redirect_uri == f"{PUBLIC}/auth/callback/there"
    page = await house.browser.get("/auth/keys")
    assert f"OPENAI_BASE_URL={PUBLIC}/v1" in page.text
    links = re.findall(r'(?:href|src|action)="([^"]*)"', page.text)
    assert [link for link in links if not link.startswith("/below/")] == []


async def test_a_sign_in_must_be_back_in_ten_minutes(house: House) -> None:
    state = await house.begin()
    house.now += timedelta(seconds=GOOD_FOR_S + 1)
    late = await house.come_back(state)
    assert late.status_code == 400 and "too long ago" in late.text
    assert house.provider.returned == []


async def test_a_sign_in_comes_back_through_the_door_that_it_went_out_by(house: House) -> None:
    state = await house.begin(name="there")
    assert (await house.come_back(state, name="other")).status_code == 400
    assert (await house.come_back(state, name="there")).status_code == 303


async def test_two_tabs_do_not_disturb_each_other(house: House) -> None:
    first, second = await house.begin("?next=/docs"), await house.begin()
    assert (await house.come_back(first)).headers["location"] == "/below/docs"
    assert (await house.come_back(second)).headers["location"] == "/below/auth/keys"


async def test_a_browser_keeps_few_sign_ins_however_often_it_begins(house: House) -> None:
    for _ in range(4 * MOST_UNDER_WAY):
        last = await house.begin()
    kept = [name for name in house.browser.cookies if "sign_in" in name]
    assert len(kept) <= MOST_UNDER_WAY
    assert (await house.come_back(last)).status_code == 303


async def test_a_session_ends_in_its_time_and_a_new_one_replaces_it(house: House) -> None:
    await house.come_back(await house.begin())
    first = next(f"{c.name}={c.value}" for c in house.browser.cookies.jar if "session" in c.name)
    await house.come_back(await house.begin())
    house.browser.cookies.clear()
    old = await house.browser.get("/auth/keys", headers={"cookie": first})
    assert old.status_code == 303, "it was ended by the new sign-in"
    house.browser.cookies.clear()
    await house.come_back(await house.begin())
    house.now += LASTS
    assert (await house.browser.get("/auth/keys")).status_code == 303


@pytest.mark.parametrize(
    ("query", "code", "status"),
    [
        ("error=access_denied", "sign_in_denied", 403),
        ("error=server_error&error_description=<b>", "login_provider_failed", 502),
        ("error=%3Cscript%3E", "login_provider_failed", 502),
        ("state=x", "sign_in_unknown", 400),
        ("state=" + "x" * 5000 + "&code=y", "sign_in_unknown", 400),
    ],
)
async def test_what_comes_back_instead_of_a_code_is_a_page(
    house: House, query: str, code: str, status: int
) -> None:
    answer = await house.browser.get(f"/auth/callback/there?{query}")
    assert answer.status_code == status and code in answer.text
    assert "<b>" not in answer.text and "<script>" not in answer.text
    assert house.provider.returned == []

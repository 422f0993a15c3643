"""Signing in on the pages: real programs, embedded and with services and two workers, and providers
that are fakes on the network."""

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.responses import PlainTextResponse

from common.tables import access_tokens, identities, key_links, users, web_sessions
from gateway.auth.store import AuthStore
from tests.support.fake_feishu_events import Pushing
from tests.support.fake_feishu_login import TENANT, FakeFeishuLogin, fake_feishu_whole
from tests.support.fake_oidc import FakeOidc, fake_oidc
from tests.support.people import make_link
from tests.support.places import own_services
from tests.support.scene import Scene, scene
from tests.support.visitor import Visitor, form_of, revocations, shown_key, shows_no_key
from tests.support.waiting import eventually


@dataclass
class Doorstep:
    """A gateway that people sign in to, and the providers that know them."""

    scene: Scene
    oidc: FakeOidc
    feishu: FakeFeishuLogin
    chat: Pushing

    def visitor(self, user: str, language: str = "en") -> Visitor:
        """Somebody new, who is that user at both providers."""
        visitor = Visitor(self.scene.gateway.url, language)
        visitor.http.cookies.set("fake_user", user, domain="127.0.0.1")
        return visitor

    def calls(self, key: str) -> int:
        """The status of a call with that key."""
        answer = self.scene.http().get("/v1/models", headers={"authorization": f"Bearer {key}"})
        return answer.status_code


@pytest.fixture(scope="module", params=["embedded", "services"])
def shared_doorstep(
    request: pytest.FixtureRequest, services: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Doorstep]:
    with ExitStack() as exits:
        oidc = exits.enter_context(fake_oidc())
        feishu, bot = exits.enter_context(fake_feishu_whole())
        settings = {
            "OIDC_ISSUER": oidc.url,
            "OIDC_CLIENT_ID": oidc.client_id,
            "OIDC_CLIENT_SECRET": oidc.client_secret,
            "APP_ID": feishu.client_id,
            "APP_SECRET": feishu.client_secret,
            "FEISHU_ACCOUNTS_URL": feishu.url,
            "FEISHU_OPEN_URL": feishu.url,
            "FEISHU_VERIFICATION_TOKEN": bot.verification_token,
            "FEISHU_ENCRYPT_KEY": bot.encrypt_key,
            "KEY_DELIVERY": "link",
            "TOKENS_PER_USER": "3",
        }
        if request.param == "services":
            place = own_services(services.postgres, services.amqp, services.redis)
            settings |= {**exits.enter_context(place), "SERVER_WORKERS": "2"}
        directory = tmp_path_factory.mktemp(f"doorstep-{request.param}")
        running = exits.enter_context(scene(directory, settings))
        callback = f"{running.gateway.url}/auth/callback"
        oidc.redirect_uris.add(f"{callback}/oidc")
        feishu.redirect_uris |= {f"{callback}/feishu", f"{callback}/openai"}
        yield Doorstep(running, oidc, feishu, Pushing(bot, running.gateway.url))


@pytest.fixture
def doorstep(shared_doorstep: Doorstep) -> Iterator[Doorstep]:
    """Its providers behave when a test begins."""
    for fake in (shared_doorstep.oidc, shared_doorstep.feishu):
        fake.faults.clear()
        fake.declines = False
        fake.asked.clear()
    shared_doorstep.feishu.tenants.clear()
    yield shared_doorstep


def rows(doorstep: Doorstep, *columns: Any) -> list[Any]:
    """Of one table, or of tables that belong together, in the gateway's database."""

    async def read() -> list[Any]:
        engine = create_async_engine(doorstep.scene.gateway.database)
        async with engine.connect() as connection:
            found = (await connection.execute(select(*columns))).all()
        await engine.dispose()
        return list(found)

    return asyncio.run(read())


@pytest.mark.parametrize("provider", ["oidc", "feishu", "openai"])
def test_signing_in_shows_a_key_that_works_once(doorstep: Doorstep, provider: str) -> None:
    with doorstep.visitor(f"once {provider}") as visitor:
        page = visitor.sign_in(provider)
        key = shown_key(page)
        assert page.url.path == "/auth/keys" and "code=" not in str(page.url)
        assert doorstep.calls(key) == 200
        again = visitor.get("/auth/keys")
        assert shows_no_key(again) and f"…{key[-4:]}" in again.text
        assert f"Signed in as Once {provider.title()}" in again.text


def test_bot_and_login_of_one_provider_are_one_person(doorstep: Doorstep) -> None:
    """The bot's events have the same tenant and union_id."""
    with doorstep.visitor("zhang") as visitor:
        shown_key(visitor.sign_in("feishu"))
        shown_key(visitor.sign_in("openai"))
    found = rows(doorstep, identities.c.tenant_key, identities.c.subject, identities.c.provider)
    assert [tuple(row) for row in found if row.subject == "on_zhang"] == [
        (TENANT, "on_zhang", "feishu")
    ]


def test_the_bots_link_and_the_login_lead_to_the_same_persons_keys(doorstep: Doorstep) -> None:
    chat = doorstep.chat
    assert chat.say("获取key", "mei").status_code == 200
    sent = eventually(lambda: chat.fake.to("mei"), "the bot's answer", 60)[0]
    assert sent.key is None, "no key stays in the chat"
    link = re.search(r"http://127[^\s\"\\)]+/auth/links/[\w-]+", sent.text)
    assert link, sent.text
    with doorstep.visitor("mei") as visitor:
        key = shown_key(visitor.http.post(link[0]))
        assert doorstep.calls(key) == 200
        page = visitor.sign_in("feishu", "?next=/auth/keys")
        assert f"…{key[-4:]}" in page.text and len(revocations(page)) == 1


def test_pages_are_in_the_language_of_the_browser(doorstep: Doorstep) -> None:
    with doorstep.visitor("li", "zh-CN,zh;q=0.9,en;q=0.5") as visitor:
        start = visitor.get("/")
        assert "使用飞书获取密钥" in start.text and start.headers["content-language"] == "zh"
        assert "新密钥" in visitor.sign_in("feishu").text
        assert "无法在此完成登录" in visitor.get("/auth/callback/oidc?state=x&code=y").text


def test_pages_are_strict_and_cookies_are_out_of_reach(doorstep: Doorstep) -> None:
    with doorstep.visitor("strict") as visitor:
        began = visitor.http.get("/auth/login/oidc", follow_redirects=False)
        page = visitor.sign_in()
        back = next(one for one in page.history if "/auth/callback/" in one.url.path)
    for answer in (page, began, back):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    for cookie in (began.headers["set-cookie"], *back.headers.get_list("set-cookie")):
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie


def test_somebody_who_declines_is_told_so(doorstep: Doorstep) -> None:
    doorstep.oidc.declines = True
    with doorstep.visitor("decliner") as visitor:
        page = visitor.sign_in()
    assert page.status_code == 403 and "You did not agree" in page.text
    assert 'href="/auth/login"' in page.text


def test_a_plain_link_of_the_provider_leads_through_the_login(doorstep: Doorstep) -> None:
    """Its code is thrown away: anybody could have made somebody follow such a link."""
    with doorstep.visitor("attacker") as attacker:
        stray = attacker.coming_back("feishu")
    code = re.search(r"code=([\w-]+)", stray)
    assert code
    with doorstep.visitor("plain") as visitor:
        page = visitor.get(f"/auth/callback/feishu?code={code[1]}")
        assert shown_key(page) and "Signed in as Plain" in page.text
    assert not doorstep.feishu.grants[code[1]].used


def test_a_sign_in_that_another_browser_began_is_refused(doorstep: Doorstep) -> None:
    with doorstep.visitor("mallory") as mallory, doorstep.visitor("victim") as victim:
        page = victim.get(mallory.coming_back())
        assert page.status_code == 400 and "cannot be finished here" in page.text
        assert victim.get("/auth/keys").url.path == "/auth/login"


def test_a_code_of_another_browser_is_refused_by_the_provider(doorstep: Doorstep) -> None:
    """Mallory's code with the victim's own state: only PKCE tells them apart."""
    with doorstep.visitor("mallory") as mallory, doorstep.visitor("victim") as victim:
        code = re.search(r"code=([\w-]+)", mallory.coming_back())
        assert code
        page = victim.get(re.sub(r"code=[\w-]+", f"code={code[1]}", victim.coming_back()))
        assert page.status_code == 400 and "did not accept this sign-in" in page.text


def test_a_sign_in_comes_back_once_whichever_worker_it_reaches(doorstep: Doorstep) -> None:
    with doorstep.visitor("eager") as visitor:
        place, cookies = visitor.coming_back(), dict(visitor.http.cookies)

        def come(_: int) -> int:
            return httpx2.get(place, cookies=cookies, trust_env=False, timeout=30).status_code

        with ThreadPoolExecutor(6) as many:
            statuses = sorted(many.map(come, range(6)))
        assert statuses == [303, 400, 400, 400, 400, 400]
        late = httpx2.get(place, cookies=cookies, trust_env=False, timeout=30)
    assert "This sign-in is over" in late.text


def test_a_provider_that_fails_is_said_so_and_nothing_is_made(doorstep: Doorstep) -> None:
    doorstep.feishu.faults["token"] = PlainTextResponse("oops", 500)
    with doorstep.visitor("unlucky") as visitor:
        page = visitor.sign_in("feishu")
        assert page.status_code == 502 and "does not answer as it should" in page.text
        doorstep.feishu.faults.clear()
        assert shown_key(visitor.sign_in("feishu")), "and again, when it is well"
    names = [name for (name,) in rows(doorstep, users.c.name)]
    assert names.count("Unlucky") == 1


def test_programs_get_errors_as_json(doorstep: Doorstep) -> None:
    headers = {"accept": "application/json"}
    answer = doorstep.scene.http(**headers).get("/auth/callback/oidc?state=x&code=y")
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "sign_in_unknown"
    answer = doorstep.scene.http(**headers).get("/auth/login/github")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "login_provider_not_found"


def test_next_leads_to_a_path_of_the_gateway_only(doorstep: Doorstep) -> None:
    with doorstep.visitor("nexter") as visitor:
        assert visitor.sign_in("oidc", "?next=/docs").url.path == "/docs"
        assert shows_no_key(visitor.get("/auth/keys")), "nobody asked for a key"
        for evil in ("https://evil.example", "//evil.example", "/%5Cevil.example"):
            page = visitor.sign_in("oidc", f"?next={evil}")
            assert page.status_code == 400 and page.url.host == "127.0.0.1"


def test_a_login_begins_where_it_will_come_back_to(doorstep: Doorstep) -> None:
    """A cookie that is kept for `localhost` would not be there at 127.0.0.1."""
    port = doorstep.scene.gateway.port
    with doorstep.visitor("lost") as visitor:
        page = visitor.get(f"http://localhost:{port}/auth/login/oidc")
        assert shown_key(page) and page.url.host == "127.0.0.1"


def test_keys_are_made_and_revoked_on_the_page(doorstep: Doorstep) -> None:
    with doorstep.visitor("maker") as visitor:
        first = shown_key(page := visitor.sign_in())
        made = visitor.post("/auth/keys", page, days="30", name="laptop")
        second = shown_key(made)
        assert "laptop" in made.text and doorstep.calls(second) == 200
        gone = visitor.post(revocations(made)[1], made)
        assert f"The key …{first[-4:]} is revoked" in gone.text
        eventually(lambda: doorstep.calls(first) == 401, "the revocation to be everywhere", 10)
        assert doorstep.calls(second) == 200
    found = rows(doorstep, access_tokens.c.name, access_tokens.c.created_at,
                 access_tokens.c.expires_at)  # fmt: skip
    laptop = next(row for row in found if row.name == "laptop")
    assert (laptop.expires_at - laptop.created_at).days == 30


def test_nobody_gets_more_keys_than_allowed(doorstep: Doorstep) -> None:
    with doorstep.visitor("greedy") as visitor:
        for _ in range(3):
            shown_key(visitor.sign_in())
        page = visitor.sign_in()
        assert page.status_code == 200 and shows_no_key(page)
        assert "You have 3 valid keys" in page.text
        assert len(revocations(page)) == 3


@pytest.mark.parametrize(
    "fields", [{"days": "0"}, {"days": "91"}, {"days": "x"}, {}, {"days": "1", "name": "x" * 65}]
)
def test_what_cannot_be_entered_is_refused(doorstep: Doorstep, fields: dict[str, str]) -> None:
    with doorstep.visitor("clumsy") as visitor:
        page = visitor.sign_in("oidc", "?next=/auth/keys")
        answer = visitor.post("/auth/keys", page, **fields)
        assert answer.status_code == 400 and "That is not possible" in answer.text
        assert revocations(visitor.get("/auth/keys")) == []


def test_a_form_of_another_session_changes_nothing(doorstep: Doorstep) -> None:
    with doorstep.visitor("owner") as owner, doorstep.visitor("forger") as forger:
        key = shown_key(page := owner.sign_in())
        path, others = revocations(page)[0], forger.sign_in()
        assert owner.http.post(path, data={"form": form_of(others)}).status_code == 403
        assert owner.http.post(path, data={}).status_code == 403
        assert owner.http.post(path, content=b"\xff\xfe" * 20_000).status_code == 413
        assert forger.post(path, others).status_code == 404, "somebody else's key"
        assert doorstep.calls(key) == 200


def test_signing_out_ends_the_session_at_the_gateway(doorstep: Doorstep) -> None:
    with doorstep.visitor("leaver") as visitor:
        page, kept = visitor.sign_in(), dict(visitor.http.cookies)
        out = visitor.post("/auth/logout", page)
        assert "You are signed out" in out.text
        again = httpx2.get(f"{visitor.url}/auth/keys", cookies=kept, trust_env=False)
        assert again.status_code == 303 and again.headers["location"].startswith("/auth/login")


def test_a_look_in_advance_takes_no_key_away(doorstep: Doorstep) -> None:
    with doorstep.visitor("prefetched") as visitor:
        place = visitor.http.get(visitor.coming_back(), follow_redirects=False)
        assert place.headers["location"] == "/auth/keys"
        visitor.http.head("/auth/keys")
        early = visitor.http.get("/auth/keys", headers={"sec-purpose": "prefetch;prerender"})
        assert shows_no_key(early) and shown_key(visitor.get("/auth/keys"))


def test_a_blocked_user_is_shown_the_door(doorstep: Doorstep) -> None:
    with doorstep.visitor("rowdy") as visitor:
        shown_key(visitor.sign_in())
        asyncio.run(_block(doorstep, "Rowdy"))
        page = visitor.get("/auth/keys")
        assert page.status_code == 401 and "You are blocked" in page.text
        assert visitor.sign_in().status_code == 401


async def _block(doorstep: Doorstep, name: str) -> None:
    engine = create_async_engine(doorstep.scene.gateway.database)
    await AuthStore(engine).set_blocked(name, datetime.now(UTC))
    await engine.dispose()


def test_the_same_name_at_another_tenant_is_another_person(doorstep: Doorstep) -> None:
    with doorstep.visitor("twin") as visitor:
        shown_key(visitor.sign_in("feishu"))
        doorstep.feishu.tenants["twin"] = "another"
        assert "Signed in as Twin-2" in visitor.sign_in("feishu").text


def test_a_one_time_link_shows_a_key_once_and_only_when_asked(doorstep: Doorstep) -> None:
    gateway = doorstep.scene.gateway
    link = asyncio.run(make_link(gateway.database, gateway.url, "linked"))
    with doorstep.visitor("whoever") as visitor:
        for _ in range(2):  # the chat's preview, and then the person
            visitor.http.head(link)
            page = visitor.get(link)
            assert page.status_code == 200 and shows_no_key(page)
        key = shown_key(visitor.http.post(link))
        assert doorstep.calls(key) == 200
        for answer in (visitor.get(link), visitor.http.post(link)):
            assert answer.status_code == 404 and "was opened already" in answer.text
        assert visitor.get("/auth/links/made-up").status_code == 404
        assert visitor.get("/auth/keys").url.path == "/auth/login", "it signs nobody in"


def test_no_secret_is_logged_or_stored(doorstep: Doorstep) -> None:
    with doorstep.visitor("secretive") as visitor:
        place = visitor.coming_back()
        key, held = shown_key(visitor.get(place)), dict(visitor.http.cookies)
    session = next(value for name, value in held.items() if name.endswith("session"))
    secrets = [key, session, doorstep.oidc.client_secret, doorstep.feishu.client_secret,
               *re.findall(r"(?:code|state)=([^&]+)", place), *doorstep.oidc.tokens]  # fmt: skip
    stored = repr([rows(doorstep, table) for table in (web_sessions, key_links, access_tokens)])
    output = doorstep.scene.gateway.output
    assert "signed_in" in output
    assert [secret for secret in secrets if secret in output or secret in stored] == []

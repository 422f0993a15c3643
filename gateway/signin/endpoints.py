"""`/auth/login/{provider}` and `/auth/callback/{provider}`: to a login provider, and back."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_bytes
from urllib.parse import urlencode

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.auth.identities import IdentityStore
from gateway.errors import (
    GatewayError,
    InvalidRequest,
    LoginProviderFailed,
    SignInDenied,
    SignInUnknown,
    SignInUsed,
    UnknownProvider,
)
from gateway.signin.provider import Asked, Provider, Returned
from gateway.signin.session import Due
from gateway.signin.sign_in import (
    GOOD_FOR_S,
    RANDOM_BYTES,
    SignIn,
    cookie_name,
    kept,
    local_path,
    state_hash,
)
from gateway.signin.store import SignInStore
from gateway.signin.web import HEADERS, Web

MOST_UNDER_WAY = 5
"""Sign-ins of one browser; those before are given up."""
MOST_CHARACTERS = 4096
"""Of a code; Feishu asks for room for 64, others send more."""
DECLINED = frozenset(("access_denied", "consent_required", "interaction_required"))
KEYS_PAGE = "/auth/keys"

log = structlog.get_logger()


@dataclass(frozen=True)
class Door:
    """One address by which a provider is reached; Feishu has two."""

    name: str
    """As in the address of its callback."""
    provider: Provider


def routes(
    web: Web,
    doors: Mapping[str, Door],
    store: SignInStore,
    people: IdentityStore,
    token_days: int,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[BaseRoute]:
    """`doors`: by the name in `/auth/login/{name}` and in `/auth/callback/{name}`."""
    signing_in = _SigningIn(web, doors, store, people, token_days, now)
    return [
        Route("/auth/login/{provider}", web.failing_well(signing_in.begin), methods=["GET"]),
        Route("/auth/callback/{provider}", web.failing_well(signing_in.end), methods=["GET"]),
    ]


class _SigningIn:
    def __init__(
        self,
        web: Web,
        doors: Mapping[str, Door],
        store: SignInStore,
        people: IdentityStore,
        token_days: int,
        now: Callable[[], datetime],
    ) -> None:
        self._web, self._doors, self._store, self._people = web, doors, store, people
        self._token_days, self._now = token_days, now
        self._prefix = f"{web.address.cookie_prefix}sign_in_"

    async def begin(self, request: Request) -> Response:
        """Raises UnknownProvider (404), InvalidRequest (400), LoginProviderFailed (502),
        LoginProviderSlow (504)."""
        door, onward = self._door(request), request.query_params.get("next", "")
        if onward and not local_path(onward):
            raise InvalidRequest("`next` must be a path of this gateway.", param="next")
        if (home := self._home(request)) is not None:
            return home
        begun_at = int(self._now().timestamp())
        sign_in = SignIn(door.name, onward, begun_at, token_bytes(RANDOM_BYTES))
        with _noted(door):
            place = await door.provider.authorize_url(
                Asked(self._redirect_uri(door), sign_in.state, sign_in.challenge, sign_in.nonce)
            )
        answer = RedirectResponse(place, 303, headers=HEADERS)
        self._forget_old(request, answer)
        name = cookie_name(self._prefix, sign_in.state)
        self._web.keep(answer, name, sign_in.cookie(), GOOD_FOR_S)
        return answer

    async def end(self, request: Request) -> Response:
        """Raises the same, SignInDenied (403), SignInUnknown, SignInUsed, SignInRefused (400),
        NotAdmitted (403), BlockedUser (401), StoreUnavailable (503)."""
        door = self._door(request)
        state = request.query_params.get("state", "")
        error = request.query_params.get("error", "")
        if not state and not error:
            # somebody followed the provider's plain link: whose code this is, nobody can tell
            return self._web.go(f"/auth/login/{door.name}")
        with _noted(door):
            if error:
                raise _declined(error)
            sign_in = await self._claimed(request, door, state)
            returned = self._returned(request, door, sign_in)
            person = await door.provider.person(returned)
            user = await self._people.person(person.identity, person.display_name, self._now())
        log.info("signed_in", provider=door.name, user=user.name)
        if (old := self._web.secret_of(request)) is not None:
            await self._store.close(old)
        due = None if sign_in.next else Due(self._token_days, None)
        answer = self._web.go(sign_in.next or KEYS_PAGE)
        self._web.signed_in(answer, await self._store.open(user.id, due, self._now()))
        self._web.forget(answer, cookie_name(self._prefix, state))
        return answer

    def _door(self, request: Request) -> Door:
        name = request.path_params["provider"]
        if name not in self._doors:
            raise UnknownProvider
        return self._doors[name]

    def _home(self, request: Request) -> Response | None:
        """To AUTH_SERVICE_URL first: what is kept for another name does not come back there."""
        if not self._web.address.is_called_otherwise(request.headers.get("host", "")):
            return None
        place = f"{self._web.address.url}/auth/login/{request.path_params['provider']}"
        onward = urlencode(dict(request.query_params))
        return RedirectResponse(f"{place}?{onward}", 303, headers=HEADERS)

    def _redirect_uri(self, door: Door) -> str:
        return f"{self._web.address.url}/auth/callback/{door.name}"

    async def _claimed(self, request: Request, door: Door, state: str) -> SignIn:
        """The sign-in that this browser has begun with this state, and not ended yet."""
        if len(state) > MOST_CHARACTERS:
            raise SignInUnknown
        sign_in = kept(request.cookies.get(cookie_name(self._prefix, state), ""))
        now = self._now()
        if sign_in is None or not sign_in.answers(door.name, state):
            raise SignInUnknown
        if sign_in.over(now.timestamp()):
            raise SignInUnknown("This sign-in was begun too long ago. Begin again.")
        if not await self._store.claim(state_hash(state), now):
            raise SignInUsed
        return sign_in

    def _returned(self, request: Request, door: Door, sign_in: SignIn) -> Returned:
        code = request.query_params.get("code", "")
        if not code or len(code) > MOST_CHARACTERS:
            raise LoginProviderFailed("The login provider sent no code.")
        issuer = request.query_params.get("iss")
        return Returned(code, self._redirect_uri(door), sign_in.verifier, sign_in.nonce, issuer)

    def _forget_old(self, request: Request, answer: Response) -> None:
        under_way = [name for name in request.cookies if name.startswith(self._prefix)]
        for name in under_way if len(under_way) >= MOST_UNDER_WAY else ():
            self._web.forget(answer, name)


@contextmanager
def _noted(door: Door) -> Iterator[None]:
    """A failure inside is logged, by its code: nothing that a provider or a browser has sent."""
    try:
        yield
    except GatewayError as error:
        log.warning("sign_in_failed", provider=door.name, code=error.code, reason=error.message)
        raise


def _declined(error: str) -> GatewayError:
    """OAuth's error codes are words (RFC 6749, section 4.1.2.1); anything else is not repeated."""
    if error in DECLINED:
        return SignInDenied()
    plain = error if error.replace("_", "").isalnum() and error.isascii() else "unknown"
    return LoginProviderFailed(f"The login provider reported an error: {plain[:40]}.")

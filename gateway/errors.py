"""Every failure that a caller can be told, and its one rendering, in OpenAI's shape.

A class's docstring is its default message; `status`, `type` and `code` are what the caller sees.
Whoever finds the failure raises it; only the endpoint's edge renders it.
"""

from collections.abc import Mapping
from inspect import getdoc
from typing import ClassVar

import msgspec


class GatewayError(Exception):
    """Something went wrong in the gateway."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False
    """Whether a client's own retry could help; sent as `x-should-retry`."""

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.message = message or " ".join((getdoc(type(self)) or "").split("\n\n")[0].split())
        self.param, self.retry_after_s = param, retry_after_s
        super().__init__(self.message)

    def body(self) -> bytes:
        """The JSON body: all four keys, as every SDK expects them."""
        return msgspec.json.encode({"error": self.error()})

    def error(self) -> Mapping[str, str | None]:
        return {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }

    def headers(self) -> list[tuple[bytes, bytes]]:
        """`retry-after` where we know when, else an explicit word on whether to try again."""
        if self.retry_after_s is not None:
            return [
                (b"retry-after", b"%d" % max(1, -int(-self.retry_after_s // 1))),
                (b"retry-after-ms", b"%d" % max(1, int(self.retry_after_s * 1000))),
            ]
        return [] if self.retryable else [(b"x-should-retry", b"false")]


class Unauthorized(GatewayError):
    """No access token was given. Send it as `Authorization: Bearer ogw_…`."""

    status, type, code = 401, "invalid_request_error", "missing_api_key"


class InvalidToken(Unauthorized):
    """This access token is not one of this gateway's. Check that it was copied whole."""

    code = "invalid_api_key"


class ExpiredToken(Unauthorized):
    """This access token has expired. Get a new one the way you got this one."""

    code = "expired_api_key"


class RevokedToken(Unauthorized):
    """This access token was revoked. Get a new one the way you got this one."""

    code = "revoked_api_key"


class BlockedUser(Unauthorized):
    """This user is blocked. Ask an administrator of the gateway."""

    code = "user_blocked"


class ErasedUser(Unauthorized):
    """This user was erased. Ask an administrator of the gateway."""

    code = "user_erased"


class UnverifiedEvent(GatewayError):
    """This event cannot be shown to come from the chat provider."""

    status, type, code = 401, "invalid_request_error", "unverified_event"

    def __init__(self, reason: str) -> None:
        """`reason` is for the log: the caller does not learn what was wrong."""
        super().__init__()
        self.reason = reason


class StaleEvent(UnverifiedEvent):
    """This event was signed too long ago, or by a clock that is wrong."""

    code = "stale_event"


class WrongLogin(Unauthorized):
    """This e-mail address and this password do not belong together."""

    code = "invalid_credentials"


class Forbidden(GatewayError):
    """This is not allowed to your role."""

    status, type, code = 403, "invalid_request_error", "forbidden"


class EndpointRefused(Forbidden):
    """This endpoint shows what belongs to other people too; an administrator must allow it."""

    code = "endpoint_not_allowed"


class NoStoreRefused(Forbidden):
    """This gateway stores what is said; its administrator must allow `x-gateway-no-store` (by
    ALLOW_NO_STORE)."""

    code = "no_store_not_allowed"


class RegistrationClosed(Forbidden):
    """Registration is closed. An administrator can open it."""

    code = "registration_closed"


class InvalidRequest(GatewayError):
    """The request cannot be understood."""

    status, type, code = 400, "invalid_request_error", "invalid_request"


class UserExists(InvalidRequest):
    """There is a user of that name already."""

    code = "user_exists"


class EmailTaken(InvalidRequest):
    """Somebody has registered with this e-mail address already. Log in instead."""

    code = "email_taken"


class TooManyTokens(InvalidRequest):
    """This user has as many valid access tokens as TOKENS_PER_USER allows."""

    code = "too_many_tokens"


class InvalidJSON(InvalidRequest):
    """The body is not valid JSON."""

    code = "invalid_json"


class AmbiguousBody(InvalidRequest):
    """A field that the gateway acts on is given twice, or in another case."""

    code = "ambiguous_body"


class MalformedEvent(InvalidRequest):
    """This is no event of that chat provider."""

    code = "malformed_event"


class WebSocketRefused(InvalidRequest):
    """WebSocket connections are not offered by this gateway. Use the HTTP endpoints."""

    code = "websocket_not_supported"


class MethodNotAllowed(GatewayError):
    """This address does not take that method."""

    status, type, code = 405, "invalid_request_error", "method_not_allowed"


class NotFound(GatewayError):
    """There is nothing here under that id."""

    status, type, code = 404, "invalid_request_error", "not_found"


class UnknownUser(NotFound):
    """There is no such user."""

    code = "user_not_found"


class UnknownToken(NotFound):
    """There is no access token with that id."""

    code = "token_not_found"


class UnknownCredential(NotFound):
    """There is no provider key of that upstream and label."""

    code = "credential_not_found"


class UnknownPath(NotFound):
    """There is no such address. OpenAI's API is below `/v1`; `/docs` describes it and the rest."""

    code = "unknown_url"


class UnknownModel(NotFound):
    """No upstream of this gateway serves that model. `GET /v1/models` lists those it has."""

    code = "model_not_found"


class TooLarge(GatewayError):
    """The body is larger than this gateway takes."""

    status, type, code = 413, "invalid_request_error", "request_too_large"


class HeadTooLarge(GatewayError):
    """The headers of the request are larger than this gateway takes."""

    status, type, code = 431, "invalid_request_error", "headers_too_large"


class RequestTooSlow(GatewayError):
    """The request did not come in time: nothing of it was heard for too long."""

    status, type, code = 408, "invalid_request_error", "request_timeout"


class MalformedHttp(InvalidRequest):
    """This is not valid HTTP/1.1."""

    code = "malformed_http"


class SignInDenied(Forbidden):
    """The sign-in was declined at the login provider."""

    code = "sign_in_denied"


class NotAdmitted(Forbidden):
    """This account is not one of those that may use the gateway. Ask an administrator."""

    code = "not_admitted"


class FormExpired(Forbidden):
    """This form is not from a page of this session. Load the page again."""

    code = "form_expired"


class SignInUnknown(InvalidRequest):
    """This sign-in was not begun in this browser, or too long ago. Begin again."""

    code = "sign_in_unknown"


class SignInUsed(InvalidRequest):
    """This sign-in has been used already. Begin again."""

    code = "sign_in_used"


class SignInRefused(InvalidRequest):
    """The login provider does not accept this sign-in's code. Begin again."""

    code = "sign_in_refused"


class UnknownProvider(NotFound):
    """This gateway has no such login provider."""

    code = "login_provider_not_found"


class UnknownLink(NotFound):
    """There is no such link, or it has expired. Ask for a new one."""

    code = "link_not_found"


class UsedLink(NotFound):
    """This link was opened already, and its key shown. Ask for a new one."""

    code = "link_used"


class LoginProviderFailed(GatewayError):
    """The login provider did not answer as it should. Try again later."""

    status, code = 502, "login_provider_failed"


class LoginProviderSlow(GatewayError):
    """The login provider did not answer in time. Try again later."""

    status, code = 504, "login_provider_slow"


class RateLimited(GatewayError):
    """Every provider key that could serve this call is cooling down after rate limits."""

    status, type, code, retryable = 429, "rate_limit_error", "pool_exhausted", True


class TooManyTries(GatewayError):
    """This was tried too often. Wait, then try again."""

    status, type, code = 429, "rate_limit_error", "too_many_tries"


class NotReady(GatewayError):
    """The gateway cannot take calls right now."""

    status, code, retryable = 503, "not_ready", True


class SpoolFull(NotReady):
    """The disk that guarantees records is full; the call was refused before it cost anything."""

    code = "spool_full"


class SpoolFailed(SpoolFull):
    """The disk that guarantees records cannot be written."""

    code = "spool_failed"


class StoreUnavailable(NotReady):
    """The database cannot be reached, so this access token cannot be checked."""

    code = "database_unavailable"


class Overloaded(NotReady):
    """The gateway has as much on its hands as it may have."""

    code = "overloaded"


class CircuitOpen(NotReady):
    """Every provider key that could serve this call has been failing and is being tested again."""

    code = "upstreams_failing"


class UpstreamUnavailable(GatewayError):
    """The model provider could not be reached."""

    status, code = 502, "upstream_unavailable"


class NoUsableCredential(UpstreamUnavailable):
    """None of the gateway's provider keys for this model is accepted. Tell an administrator."""

    code = "no_usable_credential"


class UpstreamTimeout(GatewayError):
    """The model provider did not answer in time."""

    status, code = 504, "upstream_timeout"


class UpstreamCut(UpstreamUnavailable):
    """The model provider broke off its answer."""

    code = "upstream_error"


class Interrupted(GatewayError):
    """The gateway is being stopped; the answer ends here."""

    status, code, retryable = 503, "gateway_stopping", True

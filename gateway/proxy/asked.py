"""A request for the OpenAI API as it came, before anything of it is believed."""

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from time import time_ns

from starlette.types import Receive, Scope

from common.record import SCHEMA_VERSION, Begin
from gateway.auth.principal import Principal
from gateway.errors import InvalidRequest, UnknownPath, WebSocketRefused
from gateway.proxy import ownership
from gateway.proxy.body import refuse_encoded
from gateway.proxy.client_address import client_address
from gateway.proxy.headers import LEGACY_AGENT, conversation_hint, first
from gateway.proxy.paths import Target, resolve
from gateway.upstream.call import Call
from gateway.upstream.wire import Headers

_QUERY = re.compile(rb"[!-~]*")
_API_VERSION = re.compile(rb"(?:^|&)api-version=[^&]*")


class Asked:
    """A request as it came."""

    def __init__(self, scope: Scope, receive: Receive, record_id: bytes) -> None:
        self.scope, self.receive, self.record_id = scope, receive, record_id
        self.started_at_us = time_ns() // 1000
        self.method: str = scope["method"]
        self.raw_headers: list[tuple[bytes, bytes]] = scope["headers"]
        self.headers: Mapping[bytes, bytes] = dict(self.raw_headers)
        self.no_store = False
        self.legacy = self.headers.get(b"user-agent", b"").startswith(LEGACY_AGENT)

    def admitted(self, allowed: frozenset[str]) -> Target:
        """The endpoint that is meant.

        Raises UnknownPath (404), EndpointRefused (403), WebSocketRefused or InvalidRequest (400).
        """
        if b"upgrade" in self.headers and b"websocket" in self.headers[b"upgrade"].lower():
            raise WebSocketRefused()
        target = resolve(self.scope["raw_path"])
        if target is None:
            raise UnknownPath()
        ownership.refuse_shared(self.method, target.path, allowed)
        refuse_encoded(self.headers)
        return target

    def client_address(self, trusted: Sequence[IPv4Network | IPv6Network]) -> str:
        peer = self.scope.get("client")
        address = peer[0] if peer else ""
        if not trusted:
            return address
        hops = [value for name, value in self.raw_headers if name == b"x-forwarded-for"]
        return client_address(address, hops, trusted)

    def upstream_target(self, target: Target) -> bytes:
        """Raises InvalidRequest (400) for what cannot stand in a request line.

        Azure's `api-version` means nothing to the providers that are called here.
        """
        query = self.scope["query_string"]
        if not query:
            return target.encoded
        if not _QUERY.fullmatch(query):
            raise InvalidRequest("The query must be percent-encoded.")
        query = _API_VERSION.sub(b"", query).lstrip(b"&")
        return target.encoded + (b"?" + query if query else b"")

    def begin(
        self,
        target: Target,
        principal: Principal,
        call: Call,
        *,
        body: bytes = b"",
        streamed: bool = False,
    ) -> Begin:
        return Begin(
            id=self.record_id,
            version=SCHEMA_VERSION,
            kind=target.kind,
            method=self.method,
            path=target.path,
            user_id=principal.user_id,
            started_at_us=self.started_at_us,
            token_id=principal.token_id,
            client_address=call.client_address,
            model=call.model,
            streamed=streamed,
            conversation_hint=conversation_hint(self.headers),
            no_store=self.no_store,
            request_type=_said(call.headers),
            request=body,
        )


def _said(headers: Headers) -> str:
    return (first(headers, b"content-type") or b"application/json").decode("latin-1")

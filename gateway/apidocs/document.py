"""The OpenAPI document, put together from what each feature says of itself. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

Fragment = Mapping[str, Any]
"""`paths` and `components` of one feature, as OpenAPI 3.1 writes them."""

_SECURITY: list[dict[str, list[str]]] = [{"accessToken": []}]
_DESCRIPTION = """\
An OpenAI-compatible gateway. Take any OpenAI client, give it an access token (`ogw_…`) as its API \
key and this gateway's address with `/v1` as its base URL, and change nothing else.

Every answer carries `x-request-id`: the id of its record, which `GET /records/{id}` shows. A \
client may name its conversation with the header `X-Conversation-Id`, and, where an \
administrator allows it, keep what is said from being stored with `x-gateway-no-store: true`."""


def openapi(fragments: Iterable[Fragment], *, server_url: str, version: str) -> dict[str, Any]:
    """The whole document; a path of one feature is no other's."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Error": ERROR}
    for fragment in fragments:
        paths.update(fragment.get("paths", {}))
        schemas.update(fragment.get("components", {}).get("schemas", {}))
    return {
        "openapi": "3.1.0",
        "info": {"title": "openai-gateway", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": server_url}],
        "security": _SECURITY,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "accessToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token of this gateway. The headers `api-key` and"
                    " `x-api-key` carry it as well.",
                }
            },
        },
    }


_OPTIONAL_TEXT = {"type": ["string", "null"]}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": _OPTIONAL_TEXT,
                "code": _OPTIONAL_TEXT,
            },
        }
    },
}
"""Every refusal and failure, in OpenAI's shape."""


def failure(description: str) -> dict[str, Any]:
    """A response that carries an Error."""
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}

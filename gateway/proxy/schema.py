"""The OpenAI surface in the gateway's OpenAPI document: that it forwards, not what."""

from typing import Any

from gateway.apidocs.document import failure

_FAILURES = {
    "400": failure("The request cannot be understood."),
    "401": failure("The access token is missing, wrong, expired or revoked."),
    "404": failure("No upstream serves that model, or the id is not yours."),
    "413": failure("The body is too large."),
    "429": failure("Every provider key that could serve the call is rate limited."),
    "502": failure("The model provider cannot be reached, or accepts none of the keys."),
    "503": failure("The gateway cannot take calls right now."),
    "504": failure("The model provider did not answer in time."),
}


def _forwarded(summary: str, description: str, *, streams: bool) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
    if streams:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    return {
        "tags": ["OpenAI"],
        "summary": summary,
        "description": description,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object", "required": ["model"]}}},
        },
        "responses": {"200": {"description": "The provider's answer.", "content": content}}
        | _FAILURES,
    }


def _local(summary: str, description: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    schema = {"type": "object"}
    return {
        "tags": ["OpenAI"],
        "summary": summary,
        "description": description,
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "As OpenAI gives it.",
                "content": {"application/json": {"schema": schema}},
            },
            "401": _FAILURES["401"],
            "404": _FAILURES["404"],
        },
    }


_EVERY_BYTE = (
    "Forwarded as it is; the answer, streamed or not, is relayed byte for byte and recorded."
)

OPENAPI: dict[str, Any] = {
    "paths": {
        "/v1/chat/completions": {
            "post": _forwarded("Chat completion", _EVERY_BYTE, streams=True),
        },
        "/v1/completions": {
            "post": _forwarded("Completion", _EVERY_BYTE, streams=True),
        },
        "/v1/responses": {
            "post": _forwarded(
                "Response",
                _EVERY_BYTE + " `previous_response_id` must be of a response of yours.",
                streams=True,
            ),
        },
        "/v1/embeddings": {
            "post": _forwarded("Embeddings", _EVERY_BYTE, streams=False),
        },
        "/v1/models": {
            "get": _local("Models on offer", "Answered by the gateway itself.", []),
        },
        "/v1/models/{model}": {
            "get": _local(
                "One model",
                "Ids may hold slashes.",
                [
                    {
                        "name": "model",
                        "in": "path",
                        "required": True,
                        "schema": {"type": "string"},
                    }
                ],
            ),
        },
    },
}

"""`/records` and `/conversations` in the OpenAPI document."""

from typing import Any

from gateway.apidocs.document import failure

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_SOME_TEXT: Schema = {"type": ["string", "null"]}
_ID: Schema = {"type": "string", "format": "uuid"}
_SOME_ID: Schema = {"type": ["string", "null"], "format": "uuid"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SECONDS: Schema = {"type": "integer", "description": "Unix seconds."}
_ANYTHING: Schema = {}
_STATUS: Schema = {"enum": ["complete", "interrupted", "client_gone", "upstream_error"]}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(of: str) -> Schema:
    return _object(
        object={"const": "list"},
        data={"type": "array", "items": _reference(of)},
        first_id=_SOME_ID,
        last_id=_SOME_ID,
        has_more={"type": "boolean"},
    )


_USAGE = _object(
    prompt_tokens=_COUNT,
    completion_tokens=_COUNT,
    cached_tokens=_COUNT,
    reasoning_tokens=_COUNT,
    total_tokens=_COUNT,
    source={"enum": ["reported", "counted", "estimated"]},
) | {"type": ["object", "null"]}
_RECORD = _object(
    id=_ID,
    object={"const": "record"},
    kind=_TEXT,
    model=_SOME_TEXT | {"description": "The model asked for."},
    model_used=_SOME_TEXT | {"description": "As the answer names it."},
    status=_STATUS,
    http_status={"type": ["integer", "null"]},
    conversation_id=_SOME_ID,
    parent_id=_SOME_ID | {"description": "The exchange that this one goes on from."},
    user=_TEXT,
    created_at=_SECONDS,
    attempts={"type": "array", "items": {"type": "object"}},
    usage=_USAGE,
)
_BODY: Schema = {
    "description": "JSON as it travelled; a stream put together; of anything else"
    " `{type, base64}`, or `{type, size_bytes, sha256}` where it was not kept."
}
_CONVERSATION = _object(
    id=_ID,
    object={"const": "conversation"},
    user=_TEXT,
    title=_TEXT,
    created_at=_SECONDS,
    updated_at=_SECONDS,
    exchange_count=_COUNT,
)
_EXCHANGE = _object(
    id=_ID,
    parent_id=_SOME_ID,
    messages={"type": "array", "items": _ANYTHING, "description": "What this exchange added."},
    answer=_ANYTHING,
    model=_SOME_TEXT,
    model_used=_SOME_TEXT,
    status={"type": ["string", "null"]},
    usage=_USAGE,
    created_at=_SECONDS,
)


def _with(schema: Schema, **more: Schema) -> Schema:
    return {"allOf": [schema, _object(**more)]}


def _query(name: str, description: str, schema: Schema = _TEXT) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": description}


_PAGE = [
    _query("limit", "How many.", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}),
    _query("after", "Those behind this one.", _ID),
]
_TIMES = [
    _query("from", "Unix seconds or ISO 8601."),
    _query("to", "Unix seconds or ISO 8601."),
    _query("user", "Only this user's; for admins."),
]
_RECORD_FILTERS = [
    _query("kind", "`chat`, `completion`, `response`, `embedding`, `stored_response`, `files`, …"),
    _query("model", "The model asked for."),
    _query("status", "How it ended.", _STATUS),
    _query("conversation", "Only of this conversation.", _ID),
]
_BY_ID: Schema = {"name": "id", "in": "path", "required": True, "schema": _ID}


def _get(summary: str, answer: str, parameters: list[Schema], **failures: str) -> Schema:
    common = {
        "400": "A parameter is wrong or unknown; `param` names it.",
        "401": "No access token, or none that is good.",
        "503": "The database cannot be reached.",
    }
    failures = {name.removeprefix("status_"): text for name, text in failures.items()}
    content = {"application/json": {"schema": _reference(answer)}}
    return {
        "get": {
            "tags": ["Conversations"],
            "summary": summary,
            "parameters": parameters,
            "responses": {
                "200": {"description": "As asked.", "content": content},
                **{status: failure(text) for status, text in (common | failures).items()},
            },
        }
    }


_NOT_FOUND = "There is none, or it is somebody else's."
_FORBIDDEN = "What is somebody else's is for admins."

OPENAPI: dict[str, Any] = {
    "paths": {
        "/records": _get(
            "Calls, newest first",
            "RecordList",
            [*_RECORD_FILTERS, *_TIMES, *_PAGE],
            status_403=_FORBIDDEN,
        ),
        "/records/{id}": _get(
            "One call with its request and its response",
            "RecordWithBodies",
            [
                _BY_ID,
                _query(
                    "raw",
                    "Instead, the bytes as they travelled.",
                    {"enum": ["request", "response"]},
                ),
            ],
            status_404=_NOT_FOUND,
        ),
        "/conversations": _get(
            "Conversations, the last to go on first",
            "ConversationList",
            [*_TIMES, *_PAGE],
            status_403=_FORBIDDEN,
        ),
        "/conversations/{id}": _get(
            "One conversation with its exchanges, oldest first",
            "ConversationWithExchanges",
            [_BY_ID],
            status_404=_NOT_FOUND,
        ),
    },
    "components": {
        "schemas": {
            "Record": _RECORD,
            "RecordList": _list("Record"),
            "RecordWithBodies": _with(_reference("Record"), request=_BODY, response=_BODY),
            "Conversation": _CONVERSATION,
            "ConversationList": _list("Conversation"),
            "Exchange": _EXCHANGE,
            "ConversationWithExchanges": _with(
                _reference("Conversation"),
                exchanges={"type": "array", "items": _reference("Exchange")},
            ),
        }
    },
}

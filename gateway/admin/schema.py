"""`/admin/upstreams` in the OpenAPI document."""

from typing import Any

from gateway.apidocs.document import failure

_COUNT = {"type": "integer", "minimum": 0}
_TIME = {"type": ["integer", "null"], "description": "Unix seconds."}
_DECISION = {
    "type": ["object", "null"],
    "description": "What an admin decided last, if anything.",
    "properties": {
        "state": {"enum": ["out", "in"]},
        "by": {"type": "string"},
        "reason": {"type": "string"},
        "created_at": {"type": "integer"},
    },
}
_PROPERTIES: dict[str, Any] = {
    "id": {"type": "string", "description": "Upstream and label."},
    "object": {"const": "upstream.credential"},
    "upstream": {"type": "string"},
    "label": {"type": "string"},
    "account": {"type": "string"},
    "state": {
        "enum": ["available", "cooling", "half_open", "open", "out"],
        "description": "Where workers differ, the worst.",
    },
    "why": {
        "enum": ["none", "cooling", "failed", "exhausted", "rejected", "withdrawn"],
        "description": "Rate limited, failing, out of quota, not accepted, put out by an"
        " admin.",
    },
    "since": _TIME,
    "until": _TIME,
    "models": {"type": "array", "items": {"type": "string"}, "description": "It cools for."},
    "calls": {**_COUNT, "description": "Attempts since the workers that serve now began."},
    "failures": {**_COUNT, "description": "Those of them that were the key's fault."},
    "in_flight": _COUNT,
    "workers": {**_COUNT, "description": "Whose counts are summed: of every gateway on this"
                " database, a few seconds old."},
    "workers_in_state": {**_COUNT, "description": "How many of them see this state."},
    "decision": _DECISION,
}  # fmt: skip
_CREDENTIAL: dict[str, Any] = {
    "type": "object",
    "required": list(_PROPERTIES),
    "properties": _PROPERTIES,
}
_REFUSALS = {
    "401": failure("No access token, or none that is good."),
    "403": failure("For admins only."),
    "503": failure("The database cannot be reached."),
}


def _answer(description: str, schema: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": description, "content": {"application/json": {"schema": reference}}}


def _place(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


OPENAPI: dict[str, Any] = {
    "paths": {
        "/admin/upstreams": {
            "get": {
                "tags": ["Administration"],
                "summary": "How the provider keys are doing",
                "responses": {
                    "200": _answer("Every key, by label; none is shown.", "UpstreamCredentials"),
                    "400": failure("There are no parameters."),
                    **_REFUSALS,
                },
            }
        },
        "/admin/upstreams/{upstream}/{label}": {
            "put": {
                "tags": ["Administration"],
                "summary": "Put a provider key out, or back in",
                "description": "Every worker follows within a second.",
                "parameters": [_place("upstream"), _place("label")],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {"$ref": "#/components/schemas/UpstreamDecision"}
                        }
                    },
                },
                "responses": {
                    "200": _answer("As it is now.", "UpstreamCredential"),
                    "400": failure("The body is not that, or has other fields."),
                    "404": failure("There is no such key."),
                    "413": failure("The body is too large."),
                    **_REFUSALS,
                },
            }
        },
    },
    "components": {
        "schemas": {
            "UpstreamCredential": _CREDENTIAL,
            "UpstreamCredentials": {
                "type": "object",
                "required": ["object", "data", "first_id", "last_id", "has_more"],
                "properties": {
                    "object": {"const": "list"},
                    "data": {
                        "type": "array",
                        "items": {"$ref": "#/components/schemas/UpstreamCredential"},
                    },
                    "first_id": {"type": ["string", "null"]},
                    "last_id": {"type": ["string", "null"]},
                    "has_more": {"type": "boolean"},
                },
            },
            "UpstreamDecision": {
                "type": "object",
                "required": ["state"],
                "additionalProperties": False,
                "properties": {
                    "state": {"enum": ["out", "in"]},
                    "reason": {
                        "type": "string",
                        "maxLength": 500,
                        "description": "Needed to put one out.",
                    },
                },
            },
        }
    },
}

"""`GET /auth/tokens` in the OpenAPI document."""

from typing import Any

from gateway.apidocs.document import failure

_COUNT = {"type": "integer", "minimum": 0}
_COUNTS = {
    "calls": _COUNT,
    "prompt_tokens": _COUNT,
    "completion_tokens": _COUNT,
    "cached_tokens": _COUNT,
    "reasoning_tokens": _COUNT,
    "total_tokens": _COUNT,
}
_GROUP = {
    "user": {"type": "string"},
    "day": {"type": "string", "format": "date"},
    "model": {"type": "string", "description": "The model asked for."},
}


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


_DAY = {"type": "string", "format": "date"}

OPENAPI: dict[str, Any] = {
    "paths": {
        "/auth/tokens": {
            "get": {
                "tags": ["Usage"],
                "summary": "Calls and tokens per person, day and model",
                "description": "One's own; of everybody for admins. Days are UTC.",
                "parameters": [
                    _parameter("from", _DAY, "First day."),
                    _parameter("to", _DAY, "Last day."),
                    _parameter(
                        "group_by",
                        {"type": "string", "default": "user,day,model"},
                        "Any of `user`, `day`, `model`, comma-separated.",
                    ),
                    _parameter("user", {"type": "string"}, "Only this user's; for admins."),
                ],
                "responses": {
                    "200": {
                        "description": "One row per group, and the sums.",
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Usage"}}
                        },
                    },
                    "400": failure("A parameter is wrong or unknown; `param` names it."),
                    "401": failure("No access token, or none that is good."),
                    "403": failure("Somebody else's usage is for admins."),
                    "503": failure("The database cannot be reached."),
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Usage": {
                "type": "object",
                "required": ["object", "data", "totals"],
                "properties": {
                    "object": {"const": "list"},
                    "data": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": list(_COUNTS),
                            "properties": {**_GROUP, **_COUNTS},
                        },
                    },
                    "totals": {
                        "type": "object",
                        "required": list(_COUNTS),
                        "properties": _COUNTS,
                    },
                },
            }
        }
    },
}

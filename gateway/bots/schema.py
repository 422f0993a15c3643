"""`POST /bots/{provider}/events` in the OpenAPI document."""

from typing import Any

from gateway.apidocs.document import failure

OPENAPI: dict[str, Any] = {
    "paths": {
        "/bots/{provider}/events": {
            "post": {
                "tags": ["Bots"],
                "summary": "Events of a chat provider",
                "description": "Not for clients: the chat provider delivers here what was written"
                " to the bot, signed in its own way.",
                "security": [],
                "parameters": [
                    {
                        "name": "provider",
                        "in": "path",
                        "required": True,
                        "schema": {"type": "string", "enum": ["feishu", "slack"]},
                    }
                ],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"type": "object"}}},
                },
                "responses": {
                    "200": {
                        "description": "Taken in, or nothing to do; the answer to a URL check.",
                        "content": {"application/json": {"schema": {"type": "object"}}},
                    },
                    "400": failure("It is no event of that provider."),
                    "401": failure("It is not signed, or signed too long ago."),
                    "413": failure("It is larger than any event."),
                    "503": failure("The database cannot be reached; deliver it again."),
                },
            }
        }
    }
}

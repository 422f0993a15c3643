"""The pages of signing in, as OpenAPI describes them. Pure."""

from typing import Any

_TAG = ["Signing in"]


def _page(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/html": {"schema": {"type": "string"}}}}


def _in_path(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
    }


def _in_query(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": {"type": "string"}}


_PROVIDER = _in_path("provider", "`feishu`, `oidc`, `slack`; `openai` means Feishu too.")
_SECRET = _in_path("secret", "As the bot has sent it.")
_FAILURES = {
    "400": _page("It was not begun in this browser, is used, or the provider refuses its code."),
    "403": _page("It was declined, or this account is not let in."),
    "404": _page("There is no such provider."),
    "502": _page("The provider did not answer as it should."),
    "504": _page("The provider did not answer in time."),
}

LOGIN: dict[str, Any] = {
    "paths": {
        "/auth/login/{provider}": {
            "get": {
                "tags": _TAG,
                "security": [],
                "summary": "Sign in: sends the browser to the provider",
                "description": "It comes back to `/auth/callback/{provider}`, and then to"
                " `/auth/keys` with a new access token that is shown once, or to `next`.",
                "parameters": [
                    _PROVIDER,
                    _in_query("next", "A path of this gateway to go to after; no token is made."),
                ],
                "responses": {"303": {"description": "To the provider."}, **_FAILURES},
            }
        },
        "/auth/callback/{provider}": {
            "get": {
                "tags": _TAG,
                "security": [],
                "summary": "Where the provider sends the browser back to",
                "description": "To be registered at the provider. Without a `state` the code is"
                " thrown away and the browser sent through `/auth/login/{provider}`.",
                "parameters": [
                    _PROVIDER,
                    _in_query("code", "Of the provider."),
                    _in_query("state", "As it was sent to the provider."),
                    _in_query("error", "Of the provider, instead of a code."),
                ],
                "responses": {"303": {"description": "Signed in, or begin anew."}, **_FAILURES},
            }
        },
        "/auth/keys": {
            "get": {
                "tags": _TAG,
                "security": [],
                "summary": "The page of one's own access tokens",
                "description": "For people; programs use `/me/tokens`.",
                "responses": {
                    "200": _page("The page."),
                    "303": {"description": "Nobody is signed in: to `/auth/login`."},
                },
            }
        },
    }
}

LINKS: dict[str, Any] = {
    "paths": {
        "/auth/links/{secret}": {
            "get": {
                "tags": _TAG,
                "security": [],
                "summary": "A one-time link that a bot has sent",
                "description": "Looking at it uses nothing up; its button sends a POST to the same"
                " address, which issues the access token and shows it once.",
                "parameters": [_SECRET],
                "responses": {
                    "200": _page("The link is good."),
                    "404": _page("It was opened, has expired or never was."),
                },
            },
            "post": {
                "tags": _TAG,
                "security": [],
                "summary": "Open a one-time link",
                "parameters": [_SECRET],
                "responses": {
                    "200": _page("The access token, shown once."),
                    "400": _page("There are as many as TOKENS_PER_USER allows already."),
                    "404": _page("It was opened, has expired or never was."),
                },
            },
        }
    }
}

"""Accounts in the OpenAPI document."""

from typing import Any

from gateway.apidocs.document import failure

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_SOME_TEXT: Schema = {"type": ["string", "null"]}
_SECONDS: Schema = {"type": "integer", "description": "Unix seconds."}
_SOME_SECONDS: Schema = {"type": ["integer", "null"], "description": "Unix seconds."}
_TRUTH: Schema = {"type": "boolean"}
_ROLE: Schema = {"enum": ["member", "admin"]}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _asked(needed: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """A body: nothing but these."""
    asked = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**asked, "required": list(needed)} if needed else asked


def _list(of: str) -> Schema:
    return _object(
        object={"const": "list"},
        data={"type": "array", "items": _reference(of)},
        first_id=_SOME_TEXT,
        last_id=_SOME_TEXT,
        has_more=_TRUTH,
    )


_NAME: Schema = {**_TEXT, "maxLength": 64}
_EMAIL: Schema = {**_TEXT, "maxLength": 254}
_PASSWORD: Schema = {**_TEXT, "format": "password", "minLength": 8, "maxLength": 256}
_DAYS: Schema = {
    "type": ["integer", "null"],
    "minimum": 1,
    "description": "How long it lasts, `TOKEN_DAYS` if not given, `TOKEN_DAYS_MAX` at most, and"
    " never longer than the token that asks.",
}
_ACCESS_TOKEN = _object(
    id=_TEXT,
    object={"const": "access_token"},
    name=_SOME_TEXT,
    hint={**_TEXT, "description": "Its last four characters."},
    state={"enum": ["valid", "expired", "revoked"]},
    current={**_TRUTH, "description": "Whether this request presents it."},
    created_at=_SECONDS,
    expires_at=_SECONDS,
    revoked_at=_SOME_SECONDS,
    last_used_at={**_SOME_SECONDS, "description": "Unix seconds; to the minute."},
)
_NEW_ACCESS_TOKEN = _object(
    id=_TEXT,
    object={"const": "access_token"},
    name=_SOME_TEXT,
    expires_at=_SECONDS,
    token={**_TEXT, "description": "Shown this once."},
)
_IDENTITY = _object(provider=_TEXT, tenant_key=_TEXT, subject=_TEXT)
_PERSON: dict[str, Schema] = {
    "id": _TEXT,
    "object": {"const": "user"},
    "name": _TEXT,
    "role": _ROLE,
    "created_at": _SECONDS,
}
_USER = _object(
    **_PERSON,
    blocked_at=_SOME_SECONDS,
    valid_tokens={"type": "integer", "minimum": 0},
    emails={"type": "array", "items": _TEXT},
    identities={"type": "array", "items": _IDENTITY},
)
_SIGNED_IN = _object(
    user=_object(**_PERSON),
    token=_object(type={"const": "bearer"}, token=_TEXT, id=_TEXT, expires_at=_SECONDS),
)
_REGISTRATION = _object(
    object={"const": "registration"},
    enabled=_TRUTH,
    changed_by=_SOME_TEXT,
    changed_at=_SOME_SECONDS,
)

_ALWAYS = {
    "400": "A parameter or field is wrong or unknown; `param` names it.",
    "401": "No access token, or none that is good.",
    "503": "The database cannot be reached.",
}
_ADMINS = {**_ALWAYS, "403": "For admins only."}
_WITH_BODY = {"413": "The body is too large."}
_NO_USER = {"404": "There is no such user."}
_TRIED = {
    "400": "A field is wrong or unknown.",
    "403": "Registration is closed.",
    "429": "Tried too often; `retry-after` says for how long.",
    "503": "The database cannot be reached, or too many people sign in at once.",
    **_WITH_BODY,
}


def _operation(
    tag: str, summary: str, answer: str, failures: dict[str, str], **more: Any
) -> dict[str, Any]:
    content = {"application/json": {"schema": _reference(answer)}}
    return {
        "tags": [tag],
        "summary": summary,
        **more,
        "responses": {
            "200": {"description": "As it is now.", "content": content},
            **{status: failure(text) for status, text in failures.items()},
        },
    }


def _body(schema: Schema, *, required: bool = True) -> Schema:
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def _place(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _page(first: str) -> list[Schema]:
    limit = {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
    return [
        {"name": "limit", "in": "query", "schema": limit},
        {"name": "after", "in": "query", "schema": _TEXT, "description": first},
    ]


_ME: Schema = {
    "/me/tokens": {
        "get": _operation(
            "Own access tokens",
            "One's own access tokens, newest first",
            "AccessTokenList",
            _ALWAYS,
            parameters=_page("Those older than this one."),
        ),
        "post": _operation(
            "Own access tokens",
            "A new access token",
            "NewAccessToken",
            _ALWAYS | _WITH_BODY,
            description="It ends with the token that asks for it: when that expires, and when that"
            " is revoked.",
            requestBody=_body(
                _asked(days=_DAYS, name={**_NAME, "type": ["string", "null"]}), required=False
            ),
        ),
    },
    "/me/tokens/{id}": {
        "delete": _operation(
            "Own access tokens",
            "Revoke one, and what was made with it",
            "DeletedAccessToken",
            _ALWAYS | {"404": "There is none, or it is somebody else's."},
            description="Refused everywhere within a second; calls that are under way go on.",
            parameters=[_place("id")],
        )
    },
}
_USERS: Schema = {
    "/admin/users": {
        "get": _operation(
            "Administration",
            "Users, by id",
            "UserList",
            _ADMINS,
            parameters=_page("Those behind this one."),
        )
    },
    "/admin/users/{name}": {
        "get": _operation(
            "Administration", "One user", "User", _ADMINS | _NO_USER, parameters=[_place("name")]
        ),
        "put": _operation(
            "Administration",
            "Block or unblock a user, or give a role",
            "User",
            _ADMINS | _NO_USER | _WITH_BODY,
            description="A blocked user's access tokens stop working within a second, and the"
            " answers under way are cut. Nobody can block or demote themselves.",
            parameters=[_place("name")],
            requestBody=_body(_asked(blocked=_TRUTH, role=_ROLE)),
        ),
    },
    "/admin/users/{name}/identities": {
        "put": _operation(
            "Administration",
            "Link a second user, or an identity, to this one",
            "User",
            _ADMINS | _NO_USER | _WITH_BODY,
            description="With `user`, all that leads to that user leads here from now on, and the"
            " access tokens are this user's; records and usage stay as they were made.",
            parameters=[_place("name")],
            requestBody=_body(
                {
                    "oneOf": [
                        _asked(("user",), user=_TEXT),
                        _asked(
                            ("provider", "subject"),
                            provider=_TEXT,
                            tenant_key={**_TEXT, "default": ""},
                            subject=_TEXT,
                        ),
                    ]
                }
            ),
        )
    },
}
_OPEN: Schema = {
    "/register": {
        "post": _operation(
            "Registration",
            "A new user with e-mail and password",
            "SignedIn",
            _TRIED,
            description="Off until an admin switches it on.",
            security=[],
            requestBody=_body(
                _asked(("email", "password"), email=_EMAIL, password=_PASSWORD, name=_NAME)
            ),
        )
    },
    "/login": {
        "post": _operation(
            "Registration",
            "An access token for e-mail and password",
            "SignedIn",
            _TRIED | {"401": "They do not belong together, or the user is blocked."},
            description="Who has as many tokens as allowed loses the oldest that a login gave.",
            security=[],
            requestBody=_body(
                _asked(("email", "password"), email=_EMAIL, password={**_TEXT, "maxLength": 256})
            ),
        )
    },
    "/admin/registration": {
        "get": _operation("Administration", "Whether people may register", "Registration", _ADMINS),
        "put": _operation(
            "Administration",
            "Let people register, or not",
            "Registration",
            _ADMINS | _WITH_BODY,
            description="Every worker follows within a second.",
            requestBody=_body(_asked(("enabled",), enabled=_TRUTH)),
        ),
    },
}

OPENAPI: dict[str, Any] = {
    "paths": {**_ME, **_USERS, **_OPEN},
    "components": {
        "schemas": {
            "AccessToken": _ACCESS_TOKEN,
            "AccessTokenList": _list("AccessToken"),
            "NewAccessToken": _NEW_ACCESS_TOKEN,
            "DeletedAccessToken": _object(
                id=_TEXT, object={"const": "access_token"}, deleted={"const": True}
            ),
            "User": _USER,
            "UserList": _list("User"),
            "SignedIn": _SIGNED_IN,
            "Registration": _REGISTRATION,
        }
    },
}

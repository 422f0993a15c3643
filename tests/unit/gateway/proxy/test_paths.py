"""Which endpoint a path means."""

import pytest

from gateway.proxy.paths import resolve


@pytest.mark.parametrize(
    ("raw", "path", "kind", "model"),
    [
        ("/v1/chat/completions", "/chat/completions", "chat", None),
        ("/v1//chat/completions", "/chat/completions", "chat", None),
        ("//v1/chat//completions/", "/chat/completions", "chat", None),
        ("/openai/chat/completions", "/chat/completions", "chat", None),
        ("/openai/v1/chat/completions", "/chat/completions", "chat", None),
        ("/chat/completions", "/chat/completions", "chat", None),
        ("/completions", "/completions", "completion", None),
        ("/v1/embeddings", "/embeddings", "embedding", None),
        ("/v1/responses", "/responses", "response", None),
        ("/v1/responses/resp_1", "/responses/resp_1", "stored_response", None),
        ("/v1/responses/resp_1/cancel", "/responses/resp_1/cancel", "stored_response", None),
        ("/v1/responses/compact", "/responses/compact", "compaction", None),
        ("/v1/responses/input_tokens", "/responses/input_tokens", "token_count", None),
        ("/v1/chat/completions/c_1", "/chat/completions/c_1", "stored_chat", None),
        ("/v1/engines/ada/completions", "/completions", "completion", "ada"),
        ("/engines/gpt/chat/completions", "/chat/completions", "chat", "gpt"),
        ("/openai/engines/e/embeddings", "/embeddings", "embedding", "e"),
        ("/v1/engines/org%2Fm/edits", "/edits", "edits", "org/m"),
        ("/v1/engines", "/models", "models", None),
        ("/v1/engines/ada", "/models/ada", "models", None),
        ("/openai/deployments/my%20gpt/chat/completions", "/chat/completions", "chat", "my gpt"),
        ("/v1/models/org%2Fmodel:free", "/models/org/model:free", "models", None),
        ("/v1/models/org/model:free", "/models/org/model:free", "models", None),
        ("/v1/models/org%2Fmodel%3Afree", "/models/org/model:free", "models", None),
        ("/v1/audio/speech", "/audio/speech", "audio", None),
        ("/v1/something/new", "/something/new", "other", None),
        ("/v1/conversations/conv_1", "/conversations/conv_1", "conversations", None),
    ],
)
def test_every_spelling_is_understood(raw: str, path: str, kind: str, model: str | None) -> None:
    target = resolve(raw.encode())
    assert target is not None
    assert (target.path, target.kind, target.model) == (path, kind, model)


@pytest.mark.parametrize(
    "raw",
    [
        "/",
        "/v1",
        "/v1/",
        "/openai",
        "/conversations",
        "/records",
        "/auth/tokens",
        "/something/new",
        "/v1/../admin",
        "/v1/files/..%2f..%2fadmin",
        "/v1/files/%2e%2e/x",
        "/v1/files/./x",
        "/v1/%2Forganization/usage",
        "/v1/files%2F",
        "/v1/files/a%2F%2Fb",
        "/v1/files/a%00b",
        "/v1/files/a%0d%0ab",
        "/v1/files/a\\b",
        "/v1/files/%ff",
    ],
)
def test_what_is_not_the_openai_api_is_nobody_elses_either(raw: str) -> None:
    assert resolve(raw.encode()) is None


def test_what_was_authorised_is_what_is_sent() -> None:
    target = resolve(b"/v1/files/a%20b%3Fc%23d%25e/content")
    assert target is not None
    assert target.encoded == b"/files/a%20b%3Fc%23d%25e/content"

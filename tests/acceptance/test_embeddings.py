"""Embeddings of every form of input, each recorded with its usage."""

from typing import Any

import pytest

from tests.support.scene import Scene


@pytest.mark.parametrize(
    ("given", "count"),
    [("text", 1), (["one", "two"], 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2)],
    ids=["text", "texts", "tokens", "lists of tokens"],
)
@pytest.mark.parametrize("encoding", [None, "float", "base64"])
def test_every_form_of_input_has_its_vectors_and_its_record(
    house: Scene, given: Any, count: int, encoding: str | None
) -> None:
    options = {"encoding_format": encoding} if encoding else {}
    raw = house.client("alice").embeddings.with_raw_response.create(
        model="fake-embedding", input=given, **options
    )
    answer = raw.parse()
    assert [item.index for item in answer.data] == list(range(count))
    assert isinstance(answer.data[0].embedding, str if encoding == "base64" else list)
    request_id = raw.headers["x-request-id"]
    record = house.stored.record(request_id)
    assert (record.kind, record.status) == ("embedding", "complete")
    assert record.prompt_tokens == answer.usage.prompt_tokens
    assert record.usage_source == "reported"
    assert house.stored.request(request_id)["input"] == given

"""Files and responses belong to the person who made them; to everybody else they are not there."""

import json
from typing import Any

import openai
import pytest

from tests.support.scene import Scene


def test_a_file_is_its_owners_alone(house: Scene) -> None:
    alice, bob = house.client("alice"), house.client("bob")
    made = alice.files.create(file=("lines.jsonl", b'{"a": 1}\n' * 1000), purpose="batch")
    assert made.bytes == 9000
    assert alice.files.retrieve(made.id).id == made.id
    assert alice.files.content(made.id).content == b'{"a": 1}\n' * 1000
    for stranger in (bob.files.retrieve, bob.files.content, bob.files.delete):
        with pytest.raises(openai.NotFoundError):
            stranger(made.id)
    assert alice.files.delete(made.id).deleted


def test_an_upload_is_recorded_by_length_and_digest(house: Scene) -> None:
    raw = house.client("alice").files.with_raw_response.create(
        file=("lines.jsonl", b"x" * 100_000), purpose="batch"
    )
    record = house.stored.record(raw.headers["x-request-id"])
    assert (record.kind, record.status, record.request) == ("files", "complete", None)
    assert record.request_size_bytes > 100_000
    assert record.request_sha256 is not None


def test_a_batch_of_somebody_elses_file_is_404(house: Scene) -> None:
    made = house.client("alice").files.create(file=("lines.jsonl", b"{}\n"), purpose="batch")

    def begin(name: str) -> str:
        batch = house.client(name).batches.create(
            input_file_id=made.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        return batch.id

    with pytest.raises(openai.NotFoundError):
        begin("bob")
    batch_id = begin("alice")
    assert house.client("alice").batches.retrieve(batch_id).id == batch_id
    with pytest.raises(openai.NotFoundError):
        house.client("bob").batches.retrieve(batch_id)


def test_a_response_is_its_owners_alone(house: Scene) -> None:
    made = house.client("alice").responses.create(model="gpt-fake", input="Hello!")
    assert house.client("alice").responses.retrieve(made.id).id == made.id
    with pytest.raises(openai.NotFoundError):
        house.client("bob").responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        house.client("bob").responses.create(
            model="gpt-fake", input="Go on!", previous_response_id=made.id
        )


def test_looking_at_a_response_is_another_kind_of_record_than_making_it(house: Scene) -> None:
    client = house.client("looker")
    made = client.responses.create(model="gpt-fake", input="Hello!")
    for _ in range(2):
        client.responses.retrieve(made.id)
    house.stored.records_of("looker", at_least=3)
    read, found = house.http("looker"), {}
    for kind in ("response", "stored_response"):
        page = read.get("/records", params={"kind": kind}).json()
        found[kind] = [record["usage"] is not None for record in page["data"]]
    assert found == {"response": [True], "stored_response": [False, False]}


def test_a_streamed_response_is_its_owners_alone(house: Scene) -> None:
    stream = house.client("alice").responses.create(model="gpt-fake", input="Hi!", stream=True)
    made = next(event.response for event in stream if event.type == "response.completed")
    assert house.client("alice").responses.retrieve(made.id).id == made.id
    with pytest.raises(openai.NotFoundError):
        house.client("bob").responses.retrieve(made.id)


@pytest.mark.parametrize("streamed", [False, True])
def test_an_item_of_somebody_elses_response_is_404(house: Scene, streamed: bool) -> None:
    made: Any = house.client("alice").responses.create(model="m", input="Hello!", stream=streamed)
    if streamed:
        made = next(event.response for event in made if event.type == "response.completed")
    [item] = made.output
    asked: Any = {"model": "m", "input": [{"type": "item_reference", "id": item.id}]}
    before = len(house.upstream.requests)
    with pytest.raises(openai.NotFoundError):
        house.client("bob").responses.create(**asked)
    assert len(house.upstream.requests) == before
    house.client("alice").responses.create(**asked)
    replayed: Any = [item.model_dump(), {"role": "user", "content": "Go on!"}]
    house.client("bob").responses.create(model="m", input=replayed)


@pytest.mark.parametrize("late", [False, True])
def test_a_form_that_names_somebody_elses_file_is_404(house: Scene, late: bool) -> None:
    made = house.client("alice").files.create(file=("a.png", b"x" * 1000), purpose="vision")
    size = 200_000 if late else 1000
    fields: Any = {"prompt": (None, "More!"), "image[file_id]": (None, made.id)}
    files: Any = (
        {"mask": ("mask.png", b"\0" * size), **fields} if late else {**fields, "mask": b"\0"}
    )
    told: dict[str, Any] = {}
    before = sum(r.path == "/images/edits" for r in house.upstream.requests)
    for name in ("alice", "bob"):
        answer = house.http(name).post("/v1/images/edits", files=files)
        told[name] = answer.status_code, answer.json()["error"]["code"]
    asked = [r for r in house.upstream.requests if r.path == "/images/edits"]
    if late:  # nobody's: by then it is on its way to some account
        assert set(told.values()) == {(400, "invalid_request")}
        assert len(asked) == before
    else:
        assert told["bob"] == (404, "not_found")
        assert len(asked) == before + 1, "the owner's own"


def test_json_by_another_name_is_read_all_the_same(house: Scene) -> None:
    made = house.client("alice").files.create(file=("l.jsonl", b"{}\n"), purpose="batch")
    body = json.dumps({"input_file_id": made.id, "endpoint": "/v1/x"})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/x-thing"):
        headers = {"content-type": kind}
        refused = house.http("bob").post("/v1/batches", content=body, headers=headers)
        assert refused.status_code == 404
        taken = house.http("alice").post("/v1/batches", content=body, headers=headers)
        assert taken.status_code == 200
        assert house.upstream.requests[-1].header("content-type") == "application/json"


@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches", "/v1/organization/usage/costs"])
def test_what_shows_other_peoples_things_is_refused(house: Scene, path: str) -> None:
    answer = house.http("alice").get(path)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "endpoint_not_allowed"

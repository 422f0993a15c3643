"""Files and responses belong to the person who made them; to everybody else they are not there."""

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


@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches", "/v1/organization/usage/costs"])
def test_what_shows_other_peoples_things_is_refused(house: Scene, path: str) -> None:
    answer = house.http("alice").get(path)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "endpoint_not_allowed"

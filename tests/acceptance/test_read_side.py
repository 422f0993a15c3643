"""What people are shown of their calls: usage, records, conversations. Others' are not there."""

from tests.support.asking import ask, user
from tests.support.scene import Scene
from tests.support.waiting import eventually

FIELDS = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")


def test_usage_is_what_the_calls_said(house: Scene) -> None:
    answers = [ask(house.client("counter"), [user(f"How many? {n}")]) for n in range(3)]
    house.stored.records_of("counter", 3)
    page = house.http("counter").get("/auth/tokens").json()
    [row] = page["data"]
    assert page["object"] == "list"
    assert (row["user"], row["model"], row["calls"]) == ("counter", "gpt-fake", 3)
    assert row["prompt_tokens"] == sum(answer.usage.prompt_tokens for answer in answers)
    assert row["completion_tokens"] == sum(answer.usage.completion_tokens for answer in answers)
    assert page["totals"]["total_tokens"] == sum(answer.usage.total_tokens for answer in answers)


def test_members_see_their_own_and_admins_all(house: Scene) -> None:
    answer = ask(house.client("quiet"), [user("Is this secret?")])
    conversation = house.stored.conversation(answer.id)
    for path in (f"/records/{answer.id}", f"/conversations/{conversation}"):
        assert house.http("quiet").get(path).status_code == 200
        refused = house.http("nosy").get(path)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")
        assert house.http("chief").get(path).status_code == 404
    house.token("boss", admin=True)
    for path in (f"/records/{answer.id}", f"/conversations/{conversation}"):
        assert house.http("boss").get(path).status_code == 200
    seen = house.http("boss").get("/auth/tokens").json()["data"]
    assert {"quiet"} <= {row["user"] for row in seen}
    assert {row["user"] for row in house.http("nosy").get("/auth/tokens").json()["data"]} <= {
        "nosy"
    }


def test_a_record_shows_question_and_answer(house: Scene) -> None:
    answer = ask(house.client("alice"), [user("What is kept?")])
    house.stored.exchange(answer.id)
    record = house.http("alice").get(f"/records/{answer.id}").json()
    assert (record["id"], record["object"], record["kind"]) == (answer.id, "record", "chat")
    assert (record["status"], record["http_status"], record["user"]) == ("complete", 200, "alice")
    assert record["request"]["messages"] == [user("What is kept?")]
    assert record["response"]["choices"][0]["message"]["content"] == answer.text
    assert all(record["usage"][field] is not None for field in FIELDS)
    assert [attempt["status"] for attempt in record["attempts"]] == [200]
    assert "sk-" not in str(record)


def test_records_are_paged_and_filtered(house: Scene) -> None:
    ids = [ask(house.client("pager"), [user(f"Page {n}?")]).id for n in range(5)]
    house.client("pager").embeddings.create(model="fake-embedding", input="text")
    house.stored.records_of("pager", 6)
    client, seen, after = house.http("pager"), [], None
    while True:
        wanted = {"limit": "2", "kind": "chat"} | ({"after": after} if after else {})
        page = client.get("/records", params=wanted).json()
        assert (page["object"], len(page["data"]) <= 2) == ("list", True)
        seen += [record["id"] for record in page["data"]]
        after = page["last_id"]
        if not page["has_more"]:
            break
    assert sorted(seen) == sorted(ids)


def test_conversations_are_listed_with_titles(house: Scene) -> None:
    answer = ask(house.client("lister"), [user("What will this be called?")])
    house.stored.exchange(answer.id)
    page = eventually(
        lambda: house.http("lister").get("/conversations").json()["data"], "the conversation"
    )
    [conversation] = page
    assert conversation["object"] == "conversation"
    assert "What will this be called?" in conversation["title"]


def test_the_read_side_needs_a_token(house: Scene) -> None:
    for path in ("/auth/tokens", "/records", "/conversations", "/v1/models"):
        assert house.http().get(path).status_code == 401

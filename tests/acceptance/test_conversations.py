"""Which calls belong together: what the database has after real calls through real programs."""

from collections.abc import Sequence
from typing import Any

from tests.support.asking import Answer, ask, ask_streamed, user
from tests.support.fake_behaviour import Behaviour
from tests.support.scene import Scene
from tests.support.stored import Usage
from tests.support.waiting import eventually

TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


def test_two_people_who_open_alike_have_conversations_of_their_own(house: Scene) -> None:
    answers = [ask(house.client(name), [user("Hello!")]) for name in ("alice", "bob")]
    first, second = (house.stored.exchange(answer.id) for answer in answers)
    assert first.conversation_id != second.conversation_id
    assert first.user_id != second.user_id
    assert (first.parent_id, second.parent_id) == (None, None)
    _stored_once(house, answers)


def test_one_person_who_opens_alike_twice_has_two_conversations(house: Scene) -> None:
    client = house.client("alice")
    answers = [ask(client, [user("Good morning!")]) for _ in range(2)]
    assert len({house.stored.conversation(answer.id) for answer in answers}) == 2


def test_ten_turns_are_one_conversation(house: Scene) -> None:
    client, messages, answers = house.client("ten-turns"), [], []
    for turn in range(10):
        messages.append(user(f"Question {turn}"))
        answers.append((ask_streamed if turn % 2 else ask)(client, messages))
        messages.append(answers[-1].message)
    ids = [answer.id for answer in answers]
    assert [house.stored.parent(id) for id in ids] == [None, *ids[:-1]]
    [conversation] = {house.stored.conversation(id) for id in ids}
    shown = house.http("ten-turns").get(f"/conversations/{conversation}").json()
    assert [exchange["id"] for exchange in shown["exchanges"]] == ids
    assert [record.id.hex for record in house.stored.records_of("ten-turns")] == [
        id.replace("-", "") for id in ids
    ]


def test_an_edited_turn_is_a_branch(house: Scene) -> None:
    client = house.client("alice")
    opened = ask(client, [user("Tell me of rivers.")])
    so_far = [user("Tell me of rivers."), opened.message]
    first = ask(client, [*so_far, user("The Danube?")])
    edited = ask(client, [*so_far, user("The Rhine?")])
    assert house.stored.parent(first.id) == house.stored.parent(edited.id) == opened.id
    assert len({house.stored.conversation(a.id) for a in (opened, first, edited)}) == 1
    _stored_once(house, [opened, first, edited])


def test_a_regenerated_answer_is_a_branch_that_can_go_on(house: Scene) -> None:
    client = house.client("alice")
    opened = ask(client, [user("Tell me of hills.")])
    asked = [user("Tell me of hills."), opened.message, user("More!")]
    first, again = ask(client, asked), ask(client, asked)
    after = ask(client, [*asked, again.message, user("And more!")])
    assert first.text != again.text
    assert [house.stored.parent(a.id) for a in (first, again, after)] == [
        opened.id,
        opened.id,
        again.id,
    ]
    assert len({house.stored.conversation(a.id) for a in (opened, first, again, after)}) == 1
    _stored_once(house, [opened, first, again, after])


def test_a_tool_loop_is_one_conversation(house: Scene) -> None:
    client, asked = house.client("alice"), [user("What is the weather in Ulm?")]
    called = ask(client, asked, tools=TOOLS)
    [call] = called.message["tool_calls"]
    result = {"role": "tool", "tool_call_id": call["id"], "content": "12 degrees"}
    told = ask(client, [*asked, called.message, result], tools=TOOLS)
    thanked = ask(
        client, [*asked, called.message, result, told.message, user("Thanks!")], tools=TOOLS
    )
    parents = [house.stored.parent(answer.id) for answer in (called, told, thanked)]
    assert parents == [None, called.id, told.id]
    _stored_once(house, [called, told, thanked])


def test_a_streamed_tool_call_is_understood(house: Scene) -> None:
    client, asked = house.client("alice"), [user("What is the weather in Bonn?")]
    with client.chat.completions.stream(model="gpt-fake", messages=asked, tools=TOOLS) as stream:  # type: ignore[arg-type]
        message = stream.get_final_completion().choices[0].message
    [call] = message.tool_calls or []
    result = {"role": "tool", "tool_call_id": call.id, "content": "9 degrees"}
    told = ask(client, [*asked, message.model_dump(exclude_none=True), result], tools=TOOLS)
    assert house.stored.parent(told.id) is not None


def test_responses_are_joined_by_the_previous_id(house: Scene) -> None:
    client = house.client("alice")
    raw = client.responses.with_raw_response.create(model="gpt-fake", input="Tell me of lakes.")
    first = raw.parse()
    again = client.responses.with_raw_response.create(
        model="gpt-fake", input="Which is the deepest?", previous_response_id=first.id
    )
    ids = [answer.headers["x-request-id"] for answer in (raw, again)]
    assert house.stored.parent(ids[1]) == ids[0]
    assert house.stored.conversation(ids[0]) == house.stored.conversation(ids[1])
    assert house.stored.record(ids[0]).kind == "response"
    _reported(house, ids[1], again.parse().usage)


def test_responses_are_joined_by_their_items(house: Scene) -> None:
    client = house.client("alice")
    opening = {"role": "user", "content": "Tell me of seas."}
    stream = client.responses.with_raw_response.create(
        model="gpt-fake",
        input=[opening],
        stream=True,  # type: ignore[arg-type]
    )
    events = list(stream.parse())
    ended: Any = events[-1]
    items = [item.model_dump(exclude_none=True) for item in ended.response.output]
    second = client.responses.with_raw_response.create(
        model="gpt-fake", input=[opening, *items, {"role": "user", "content": "Colder ones!"}]
    )
    ids = [stream.headers["x-request-id"], second.headers["x-request-id"]]
    assert house.stored.parent(ids[1]) == ids[0]
    _reported(house, ids[0], ended.response.usage)


def test_a_named_conversation_holds_what_else_would_be_strangers(house: Scene) -> None:
    client, name = house.client("alice"), {"X-Conversation-Id": "trip-1"}
    answers = [ask(client, [user(text)], extra_headers=name) for text in ("Trains?", "Hotels?")]
    assert len({house.stored.conversation(answer.id) for answer in answers}) == 1
    shown = house.http("alice").get(f"/records/{answers[0].id}").json()
    assert shown["conversation_id"] == str(house.stored.conversation(answers[0].id))


def test_a_stream_that_the_client_left_is_kept_as_far_as_it_came(house: Scene) -> None:
    house.upstream.behave(Behaviour(text="one two three four five " * 20, delay_chunk_s=0.05))
    raw = house.client("alice").chat.completions.with_raw_response.create(
        model="gpt-4.1", messages=[{"role": "user", "content": "Count!"}], stream=True
    )
    stream = raw.parse()
    seen = "".join(next(stream).choices[0].delta.content or "" for _ in range(6))
    stream.close()
    request_id = raw.headers["x-request-id"]
    record = house.stored.record(request_id)
    assert (record.status, record.usage_source) == ("client_gone", "counted")
    assert record.completion_tokens >= len(seen.split())
    assert record.prompt_tokens > 0
    stored = house.stored.answer(request_id)
    assert b'" three"' in stored
    assert b"[DONE]" not in stored
    assert house.stored.exchange(request_id).parent_id is None
    eventually(lambda: house.upstream.requests[-1].hung_up, "the upstream to be left too")


def test_usage_of_a_stream_is_known_though_the_client_did_not_ask(house: Scene) -> None:
    answer = ask_streamed(house.client("alice"), [user("How much was it?")])
    assert answer.usage is None
    said = house.upstream.said[-1].usage
    assert said is not None
    assert house.stored.usage(answer.id) == Usage(
        said["prompt_tokens"],
        said["completion_tokens"],
        said["prompt_tokens_details"]["cached_tokens"],
        said["completion_tokens_details"]["reasoning_tokens"],
        "reported",
    )


def test_usage_that_the_upstream_does_not_report_is_counted(house: Scene) -> None:
    house.upstream.behave(Behaviour(usage=False, text="twelve"))
    answer = ask_streamed(house.client("alice"), [user("Six and six?")])
    usage = house.stored.usage(answer.id)
    assert usage.source in ("counted", "estimated")
    assert (usage.completion or 0) >= 1 and (usage.prompt or 0) >= 4


def _stored_once(house: Scene, answers: Sequence[Answer]) -> None:
    """Each call has its one record, complete and with the usage that its client was told."""
    for answer in answers:
        assert house.stored.record(answer.id).status == "complete"
        assert house.stored.usage(answer.id) == Usage(
            answer.usage.prompt_tokens,
            answer.usage.completion_tokens,
            answer.usage.prompt_tokens_details.cached_tokens,
            answer.usage.completion_tokens_details.reasoning_tokens,
            "reported",
        )


def _reported(house: Scene, request_id: str, usage: Any) -> None:
    assert house.stored.usage(request_id) == Usage(
        usage.input_tokens,
        usage.output_tokens,
        usage.input_tokens_details.cached_tokens,
        usage.output_tokens_details.reasoning_tokens,
        "reported",
    )

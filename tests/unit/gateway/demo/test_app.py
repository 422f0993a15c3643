"""The demo as the current SDK sees it."""

from collections.abc import Iterator

import httpx2
import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from gateway.demo.app import create_demo
from tests.support.serving import serving

WEATHER = {
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with serving(create_demo(pace_s=0)) as url:
        yield f"{url}/v1"


@pytest.fixture
def client(base_url: str) -> Iterator[OpenAI]:
    with OpenAI(api_key="any", base_url=base_url, max_retries=0) as client:
        yield client


def test_chat_says_that_it_is_a_demo_and_echoes(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="anything", messages=[{"role": "user", "content": "Why is the sky blue?"}], n=2
    )
    texts = [choice.message.content or "" for choice in answer.choices]
    assert all("demo answer" in text and "no model was asked" in text for text in texts)
    assert "Why is the sky blue?" in texts[0]
    assert len(set(texts)) == 2
    assert answer.usage and answer.usage.total_tokens > answer.usage.completion_tokens > 0


def test_chat_stream_is_the_answer_in_pieces_with_its_usage_last(client: OpenAI) -> None:
    question = {"role": "user", "content": "Hello!"}
    whole = client.chat.completions.create(model="m", messages=[question])
    chunks = list(
        client.chat.completions.create(
            model="m", messages=[question], stream=True, stream_options={"include_usage": True}
        )
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks[:-1]]
    assert "".join(pieces) == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert (chunks[-1].choices, chunks[-1].usage) == ([], whole.usage)


def test_chat_stream_has_no_usage_unless_asked(client: OpenAI) -> None:
    chunks = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Hello!"}], stream=True
    )
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_chat_calls_a_tool_whose_name_the_question_mentions(client: OpenAI) -> None:
    tools = [{"type": "function", "function": WEATHER}]
    question = {"role": "user", "content": "Use get_weather for Ulm."}
    called = client.chat.completions.create(model="m", messages=[question], tools=tools)
    [choice] = called.choices
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls or []
    result = {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}
    after = client.chat.completions.create(
        model="m", messages=[question, choice.message, result], tools=tools
    )
    assert "12 degrees" in (after.choices[0].message.content or "")


def test_chat_does_not_call_tools_that_nobody_mentions(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": "Hello!"}],
        tools=[{"type": "function", "function": WEATHER}],
    )
    assert answer.choices[0].finish_reason == "stop"


def test_chat_answers_in_the_schema_asked_for(client: OpenAI) -> None:
    class City(BaseModel):
        name: str
        inhabitants: int
        twins: list[str]

    answer = client.chat.completions.parse(
        model="m", messages=[{"role": "user", "content": "Ulm?"}], response_format=City
    )
    assert isinstance(answer.choices[0].message.parsed, City)


def test_chat_stops_at_the_length_asked_for(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Hello!"}], max_completion_tokens=3
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage and answer.usage.completion_tokens == 3


@pytest.mark.parametrize(("prompt", "answers"), [("a", 1), (["a", "b"], 2), ([1, 2], 1)])
def test_completions_take_every_form_of_prompt(
    client: OpenAI, prompt: str | list[str], answers: int
) -> None:
    answer = client.completions.create(model="m", prompt=prompt)
    assert len(answer.choices) == answers
    assert all("no model was asked" in choice.text for choice in answer.choices)


def test_completions_stream(client: OpenAI) -> None:
    whole = client.completions.create(model="m", prompt="Once").choices[0].text
    chunks = list(client.completions.create(model="m", prompt="Once", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_responses_stream_in_the_order_of_the_real_api(client: OpenAI) -> None:
    events = list(client.responses.create(model="m", input="Hello!", stream=True))
    kinds = [event.type for event in events]
    assert list(dict.fromkeys(kinds)) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    ended = events[-1]
    assert ended.type == "response.completed"
    assert ended.response.usage and ended.response.usage.output_tokens == kinds.count(
        "response.output_text.delta"
    )


def test_responses_accept_a_previous_one(client: OpenAI) -> None:
    first = client.responses.create(model="m", input="Hello!")
    second = client.responses.create(model="m", input="And?", previous_response_id=first.id)
    assert second.previous_response_id == first.id != second.id
    assert "And?" in second.output_text


def test_responses_call_a_function(client: OpenAI) -> None:
    events = list(
        client.responses.create(
            model="m",
            input="get_weather in Ulm",
            tools=[{"type": "function", "strict": False, **WEATHER}],
            stream=True,
        )
    )
    ended = events[-1]
    assert ended.type == "response.completed"
    assert ended.response.output[0].type == "function_call"
    assert "response.function_call_arguments.done" in {event.type for event in events}


@pytest.mark.parametrize(
    ("given", "count"), [("a", 1), (["a", "b"], 2), ([1, 2], 1), ([[1], [2]], 2)]
)
def test_embeddings_take_every_form_of_input(
    client: OpenAI, given: str | list[str], count: int
) -> None:
    packed = client.embeddings.create(model="m", input=given, dimensions=8)
    plain = client.embeddings.create(model="m", input=given, dimensions=8, encoding_format="float")
    assert len(packed.data) == count
    assert len(packed.data[0].embedding) == 8
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding)


def test_embeddings_of_the_same_text_are_the_same(client: OpenAI) -> None:
    first, again, other = (
        client.embeddings.create(model="m", input=text).data[0].embedding
        for text in ("ulm", "ulm", "bonn")
    )
    assert first == again != other
    assert sum(number * number for number in first) == pytest.approx(1)


def test_models_are_listed_and_found(client: OpenAI) -> None:
    listed = [model.id for model in client.models.list()]
    assert "demo-chat" in listed
    assert client.models.retrieve("demo-chat").owned_by == "demo"


def test_unknown_model_is_404(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("org/unknown")
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("/chat/completions", "{", 400),
        ("/chat/completions", "[]", 400),
        ("/chat/completions", '{"messages": [{"role": "user"}]}', 400),
        ("/chat/completions", '{"model": "m", "messages": "text"}', 400),
        ("/chat/completions", '{"model": "m", "messages": [{}], "n": 1000}', 400),
        ("/embeddings", '{"model": "m", "input": {}}', 400),
        ("/embeddings", '{"model": "m", "input": "a", "dimensions": -1}', 400),
        ("/responses", '{"model": "m"}', 400),
        ("/nowhere", "{}", 404),
        ("/models", "{}", 405),
    ],
)
def test_errors_have_the_shape_of_openai(
    base_url: str, path: str, content: str, status: int
) -> None:
    answer = httpx2.post(base_url + path, content=content)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}

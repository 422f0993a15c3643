"""The fake upstream itself: right answers, and each way to misbehave."""

from collections.abc import Iterator

import httpx2
import openai
import pytest
from openai import OpenAI

from tests.support.fake_behaviour import BAD_KEY, HANGING, RESETTING, Behaviour, rate_limited
from tests.support.fake_upstream import FakeUpstream
from tests.support.waiting import eventually

HELLO = {"role": "user", "content": "Hello!"}


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture
def client(upstream: FakeUpstream) -> Iterator[OpenAI]:
    with OpenAI(api_key="sk-a@one", base_url=upstream.url, max_retries=0) as client:
        yield client


def test_every_answer_differs_and_every_request_is_kept(
    upstream: FakeUpstream, client: OpenAI
) -> None:
    answers = [client.chat.completions.create(model="m", messages=[HELLO]) for _ in range(2)]
    assert len({answer.choices[0].message.content for answer in answers}) == 2
    assert [request.key for request in upstream.requests] == ["sk-a@one"] * 2
    assert [request.connection for request in upstream.requests] == [1, 1]


def test_streams_end_in_the_usage_that_was_asked_for(
    upstream: FakeUpstream, client: OpenAI
) -> None:
    chunks = list(
        client.chat.completions.create(
            model="m", messages=[HELLO], stream=True, stream_options={"include_usage": True}
        )
    )
    usage = chunks[-1].usage
    assert usage and upstream.said[0].usage
    assert usage.prompt_tokens == upstream.said[0].usage["prompt_tokens"]


def test_responses_stream_assembles(client: OpenAI) -> None:
    with client.responses.stream(model="m", input="Hello!") as stream:
        assert stream.get_final_response().output_text == "Answer 1 to: Hello!"


def test_tools_are_called_once(client: OpenAI) -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    with client.chat.completions.stream(model="m", messages=[HELLO], tools=tools) as stream:
        [call] = stream.get_final_completion().choices[0].message.tool_calls or []
    assert (call.function.name, call.function.arguments) == ("weather", '{"city": "Ulm"}')


def test_rules_are_for_a_key_and_a_number_of_times(upstream: FakeUpstream, client: OpenAI) -> None:
    upstream.behave(rate_limited("7"), key="sk-a@one", times=1)
    upstream.behave(BAD_KEY, key="sk-b")
    with pytest.raises(openai.RateLimitError) as caught:
        client.models.list()
    assert caught.value.response.headers["retry-after"] == "7"
    assert client.models.list().data
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-b").models.list()


@pytest.mark.parametrize("how", ["close", "reset"])
def test_streams_can_be_cut(upstream: FakeUpstream, client: OpenAI, how: str) -> None:
    upstream.behave(Behaviour(cut_after=3, cut=how))  # type: ignore[arg-type]
    received = []
    with pytest.raises(openai.APIConnectionError):
        for chunk in client.chat.completions.create(model="m", messages=[HELLO], stream=True):
            received.append(chunk)
    assert len(received) <= 3


def test_a_caller_that_leaves_is_noticed(upstream: FakeUpstream) -> None:
    upstream.behave(HANGING)
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(
            f"{upstream.url}/chat/completions",
            json={"model": "m", "messages": [HELLO]},
            headers={"api-key": "sk-a"},
            timeout=0.3,
        )
    eventually(lambda: upstream.requests[0].hung_up, "the hang-up")


def test_a_reset_comes_before_any_answer(upstream: FakeUpstream, client: OpenAI) -> None:
    upstream.behave(RESETTING)
    with pytest.raises(openai.APIConnectionError):
        client.embeddings.create(model="m", input="text")


def test_bytes_are_as_crooked_as_wanted(upstream: FakeUpstream) -> None:
    upstream.behave(
        Behaviour(
            text="one\u2028two",
            newline="\r\n",
            split_every=7,
            extra={"odd": 1},
            headers={"x-odd": "ä"},
        )
    )
    answer = httpx2.post(
        f"{upstream.url}/chat/completions",
        json={"model": "m", "messages": [HELLO], "stream": True},
        headers={"authorization": "Bearer sk-a"},
    )
    assert "one\u2028two" in answer.text
    assert answer.text.endswith("data: [DONE]\r\n\r\n")
    assert '"odd": 1' in answer.text


def test_a_wrong_length_is_declared(upstream: FakeUpstream, client: OpenAI) -> None:
    upstream.behave(Behaviour(content_length_off=5))
    with pytest.raises(openai.APIConnectionError):
        client.models.list()


def test_files_belong_to_the_account_of_the_key(client: OpenAI) -> None:
    made = client.files.create(file=("a.jsonl", b"{}\n"), purpose="batch")
    assert client.with_options(api_key="sk-b@one").files.content(made.id).content == b"{}\n"
    with pytest.raises(openai.NotFoundError):
        client.with_options(api_key="sk-a@two").files.retrieve(made.id)
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)


def test_it_can_be_told_and_asked_over_http(upstream: FakeUpstream, client: OpenAI) -> None:
    control = upstream.url.removesuffix("/v1") + "/_fake"
    httpx2.post(f"{control}/rules", json={"behaviour": {"status": 418, "body": "{}"}, "times": 1})
    with pytest.raises(openai.APIStatusError):
        client.models.list()
    [asked] = httpx2.get(f"{control}/requests").json()
    assert (asked["target"], asked["key"]) == ("/v1/models", "sk-a@one")
    assert httpx2.delete(control).json() == []

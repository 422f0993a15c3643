"""What the current SDK's helpers make of answers, and bodies that are more than text: unchanged."""

import base64
import json
from collections.abc import Iterator
from random import Random
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.support.fake_behaviour import Behaviour
from tests.support.scene import Scene, scene

PERSON = '{"name": "Ada", "born": 1815}'
HELLO: list[Any] = [{"role": "user", "content": "Hello!"}]


class Person(BaseModel):
    """What is asked for."""

    name: str
    born: int


class Weather(BaseModel):
    """A tool's argument."""

    city: str


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("helpers"), {}) as running:
        yield running


@pytest.fixture
def client(house: Scene) -> OpenAI:
    house.upstream.behave_well()
    return house.client("alice")


def test_the_helper_for_streams_puts_an_answer_together(house: Scene, client: OpenAI) -> None:
    with client.chat.completions.stream(model="m", messages=HELLO) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    said = house.upstream.said[-1].whole["choices"][0]["message"]["content"]
    assert final.choices[0].message.content == said
    assert kinds >= {"chunk", "content.delta", "content.done"}


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_are_called(client: OpenAI, streamed: bool) -> None:
    tools: Any = [openai.pydantic_function_tool(Weather)]
    if streamed:
        with client.chat.completions.stream(model="m", messages=HELLO, tools=tools) as stream:
            final: Any = stream.until_done().get_final_completion()
    else:
        final = client.chat.completions.parse(model="m", messages=HELLO, tools=tools)
    [called] = final.choices[0].message.tool_calls
    assert called.function.parsed_arguments == Weather(city="Ulm")


@pytest.mark.parametrize("streamed", [False, True])
def test_structured_answers_are_parsed(house: Scene, client: OpenAI, streamed: bool) -> None:
    house.upstream.behave(Behaviour(text=PERSON))
    asked: Any = {"model": "m", "messages": HELLO, "response_format": Person}
    if streamed:
        with client.chat.completions.stream(**asked) as stream:
            final: Any = stream.until_done().get_final_completion()
    else:
        final = client.chat.completions.parse(**asked)
    assert final.choices[0].message.parsed == Person(name="Ada", born=1815)
    schema = json.loads(house.upstream.requests[-1].body)["response_format"]["json_schema"]
    assert schema["name"] == "Person" and schema["strict"] is True


@pytest.mark.parametrize("streamed", [False, True])
def test_responses_are_parsed(house: Scene, client: OpenAI, streamed: bool) -> None:
    house.upstream.behave(Behaviour(text=PERSON))
    asked: Any = {"model": "m", "input": "Who?", "text_format": Person}
    if streamed:
        with client.responses.stream(**asked) as stream:
            final: Any = stream.until_done().get_final_response()
    else:
        final = client.responses.parse(**asked)
    assert final.output_parsed == Person(name="Ada", born=1815)


def test_images_and_sounds_reach_the_upstream_as_they_are(house: Scene, client: OpenAI) -> None:
    data = base64.b64encode(Random(1).randbytes(300_000)).decode()
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
    ]
    messages: list[Any] = [{"role": "user", "content": parts}]
    raw = client.chat.completions.with_raw_response.create(model="m", messages=messages)
    assert house.upstream.requests[-1].body == raw.http_request.content
    assert house.stored.request(raw.headers["x-request-id"])["messages"] == messages


def test_speech_comes_out_whole(client: OpenAI) -> None:
    asked: Any = {"model": "tts", "voice": "alloy", "input": "Hello!"}
    assert client.audio.speech.create(**asked).content == bytes(range(256)) * 8
    with client.audio.speech.with_streaming_response.create(**asked) as streamed:
        assert b"".join(streamed.iter_bytes()) == bytes(range(256)) * 8


def test_sounds_to_write_down_go_in_whole(house: Scene, client: OpenAI) -> None:
    house.upstream.behave(Behaviour(body='{"text": "Hi."}'), path="/audio/transcriptions")
    sound = Random(2).randbytes(700_000)
    written = client.audio.transcriptions.create(model="whisper", file=("a.wav", sound))
    assert written.text == "Hi."
    received = house.upstream.requests[-1]
    boundary = (received.header("content-type") or "").partition("boundary=")[2].encode()
    assert sound in received.body
    assert received.body.startswith(b"--" + boundary)
    assert received.body.endswith(b"--" + boundary + b"--\r\n")


def test_files_come_back_as_they_went(client: OpenAI) -> None:
    content = Random(3).randbytes(700_000)
    kept = client.files.create(file=("a.bin", content), purpose="user_data")
    assert kept.bytes == len(content)
    assert client.files.content(kept.id).content == content

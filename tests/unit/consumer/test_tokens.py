"""consumer.tokens: counts that agree with what is known, on any text, with no network."""

import socket
from typing import Any

import pytest

from consumer.tokens.completions import CompletionCounter
from consumer.tokens.encodings import Encodings
from consumer.tokens.models import facts_of
from consumer.tokens.prompts import PromptCounter
from consumer.tokens.text import CAP_CHARACTERS, SLICE_CHARACTERS, Count, Tokenizer


@pytest.fixture(scope="module")
def encodings() -> Encodings:
    return Encodings()


def prompt(encodings: Encodings, model: str, request: dict[str, Any], kind: str = "chat") -> Count:
    facts = facts_of(model)
    return PromptCounter(Tokenizer(encodings.get(facts.encoding)), facts).count(kind, request)


def completion(encodings: Encodings, model: str, answer: Any, kind: str = "chat") -> Count:
    facts = facts_of(model)
    return CompletionCounter(Tokenizer(encodings.get(facts.encoding)), facts).count(kind, answer)


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("o200k_base", [13225, 11, 2375, 0]),
        ("cl100k_base", [9906, 11, 1917, 0]),
        ("p50k_base", [15496, 11, 995, 0]),
        ("r50k_base", [15496, 11, 995, 0]),
    ],
)
def test_encodings_load_without_network(
    name: str, ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", None)
    assert Encodings().get(name).encode_ordinary("Hello, world!") == ids


def test_spaces_are_what_the_two_old_encodings_differ_in(encodings: Encodings) -> None:
    spaces = " " * 8 + "x"
    assert len(encodings.get("p50k_base").encode_ordinary(spaces)) == 2
    assert len(encodings.get("r50k_base").encode_ordinary(spaces)) == 8


@pytest.mark.parametrize(
    ("model", "encoding", "known"),
    [
        ("gpt-4o-mini-2024-07-18", "o200k_base", True),
        ("openai/gpt-4o", "o200k_base", True),
        ("gpt-4-0613", "cl100k_base", True),
        ("ft:gpt-3.5-turbo:acme::1", "cl100k_base", True),
        ("gpt-oss-120b", "o200k_base", True),
        ("text-davinci-003", "p50k_base", True),
        ("text-davinci-edit-001", "p50k_base", True),
        ("davinci", "r50k_base", True),
        ("gpt2", "r50k_base", True),
        ("claude-opus", "o200k_base", False),
        ("", "o200k_base", False),
    ],
)
def test_model_has_its_encoding(model: str, encoding: str, known: bool) -> None:
    facts = facts_of(model)
    assert (facts.encoding, facts.known) == (encoding, known)


HOSTILE = [
    "\0" * 10,
    "\ud800\udfff\ud800",
    "<|endoftext|><|im_start|>",
    " " * 1_200_000,
    "a" * 1_200_000,
    "\u3000" * 1_200_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=["nul", "half", "special", "space", "a", "wide"])
def test_any_text_is_counted(encodings: Encodings, text: str) -> None:
    count = Tokenizer(encodings.get("o200k_base")).count(text)
    assert 0 < count.tokens <= len(text.encode("utf-8", "surrogatepass"))


def test_slices_hardly_change_the_count(encodings: Encodings) -> None:
    text = "The quick brown fox jumps over the lazy dog.\n" * 2_000
    assert len(text) > 5 * SLICE_CHARACTERS
    whole = len(encodings.get("o200k_base").encode_ordinary(text))
    count = Tokenizer(encodings.get("o200k_base")).count(text)
    assert count.exact and abs(count.tokens - whole) <= whole * 0.001


def test_beyond_the_cap_text_is_sampled(encodings: Encodings) -> None:
    text = "word " * (CAP_CHARACTERS // 5 + 100_000)
    count = Tokenizer(encodings.get("o200k_base")).count(text)
    assert not count.exact and abs(count.tokens - len(text) / 5) < len(text) / 5 * 0.01


class PanicException(BaseException):
    """Named like the tokenizer's own, which cannot be imported."""


class Panicking:
    def encode_ordinary(self, text: str) -> list[int]:
        raise PanicException(text)


def test_panic_of_the_tokenizer_becomes_an_estimate() -> None:
    tokenizer = Tokenizer(Panicking())  # type: ignore[arg-type]
    assert tokenizer.count("x" * 40) == Count(10, exact=False)


COOKBOOK = [
    "You are a helpful, pattern-following assistant that translates corporate jargon into plain"
    " English.",
    "New synergies will help drive top-line growth.",
    "Things working well together will increase revenue.",
    "Let's circle back when we have more bandwidth to touch base on opportunities for increased"
    " leverage.",
    "Let's talk later when we're less busy about how to do better.",
    "This late pivot means we don't have time to boil the ocean for the client deliverable.",
]


def cookbook_messages() -> list[dict[str, str]]:
    names = [None, *(["example_user", "example_assistant"] * 2), None]
    roles = ["system"] * 5 + ["user"]
    every = zip(roles, names, COOKBOOK, strict=True)
    return [
        {"role": role, "content": text} | ({"name": name} if name else {})
        for role, name, text in every
    ]


@pytest.mark.parametrize(
    ("model", "tokens"),
    [("gpt-4o", 124), ("gpt-4-0613", 129), ("gpt-3.5-turbo", 129), ("gpt-4o-mini", 124)],
)
def test_chat_prompt_is_what_the_provider_bills(
    encodings: Encodings, model: str, tokens: int
) -> None:
    messages = {"messages": cookbook_messages()}
    assert prompt(encodings, model, messages) == Count(tokens)


WEATHER = {
    "name": "get_current_weather",
    "description": "Get the current weather in a given location",
    "parameters": {
        "type": "object",
        "properties": {
            "location": {
                "type": "string",
                "description": "The city and state, e.g. San Francisco, CA",
            },
            "unit": {
                "type": "string",
                "description": "The unit of temperature to return",
                "enum": ["celsius", "fahrenheit"],
            },
        },
        "required": ["location"],
    },
}
TOOL_MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant that can answer to questions about"
     " the weather."},
    {"role": "user", "content": "What's the weather like in San Francisco?"},
]  # fmt: skip


@pytest.mark.parametrize(("model", "tokens"), [("gpt-4o", 101), ("gpt-4", 105)])
def test_flat_tools_are_counted_as_published(encodings: Encodings, model: str, tokens: int) -> None:
    tools = [{"type": "function", "function": WEATHER}]
    request = {"messages": TOOL_MESSAGES, "tools": tools}
    assert prompt(encodings, model, request) == Count(tokens)


HELLO = {"role": "user", "content": "Hello!"}
NESTED = {"name": "f", "parameters": {"properties": {"a": {"type": "array", "items": {}}}}}
PICTURE = {"type": "image_url", "image_url": {"url": "x"}}


@pytest.mark.parametrize(
    "request_body",
    [
        {"messages": [HELLO], "tools": [{"type": "function", "function": NESTED}]},
        {"messages": [HELLO], "tools": [{"type": "web_search"}]},
        {"messages": [{"role": "user", "content": [PICTURE]}]},
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        {"messages": [HELLO, {"role": "tool", "content": "1"}]},
        {"messages": [HELLO], "response_format": {"type": "json_schema", "json_schema": {}}},
        {"messages": [None, 1, {"content": 3, "tool_calls": 3}, {"tool_calls": [1, {}]}]},
    ],
)
def test_without_an_exact_rule_the_count_is_an_estimate(
    encodings: Encodings, request_body: dict[str, Any]
) -> None:
    assert not prompt(encodings, "gpt-4o", request_body).exact


def test_unknown_and_reasoning_models_are_estimates(encodings: Encodings) -> None:
    answer = {"choices": [{"message": {"content": "Hi"}}]}
    assert not prompt(encodings, "other", {"messages": [HELLO]}).exact
    assert not completion(encodings, "o3", answer).exact
    assert completion(encodings, "gpt-4o", answer) == Count(1)


def test_response_request_is_counted_like_the_same_chat(encodings: Encodings) -> None:
    chat = {"messages": [{"role": "developer", "content": "Be short."}, HELLO]}
    same = {"instructions": "Be short.", "input": "Hello!"}
    parts = {
        "input": [
            {"role": "developer", "content": "Be short."},
            {"role": "user", "content": [{"type": "input_text", "text": "Hello!"}]},
        ]
    }
    expected = prompt(encodings, "gpt-4o", chat)
    assert prompt(encodings, "gpt-4o", same, "response") == expected
    assert prompt(encodings, "gpt-4o", parts, "response") == expected
    kept = prompt(encodings, "gpt-4o", same | {"previous_response_id": "r"}, "response")
    assert kept == Count(expected.tokens, exact=False)


@pytest.mark.parametrize(
    ("value", "tokens"),
    [("Hello!", 2), (["Hello!", "Hello!"], 4), ([9906, 0], 2), ([[9906, 0], [0]], 3)],
)
def test_embedding_input_is_text_or_ids(encodings: Encodings, value: Any, tokens: int) -> None:
    request = {"input": value}
    count = prompt(encodings, "text-embedding-3-small", request, "embedding")
    assert count == Count(tokens)


def test_calls_and_refusals_cost_more_than_their_text(encodings: Encodings) -> None:
    call = {"function": {"name": "f", "arguments": "{}"}}
    one = completion(encodings, "gpt-4o", {"choices": [{"message": {"tool_calls": [call]}}]})
    two = completion(encodings, "gpt-4o", {"choices": [{"message": {"tool_calls": [call] * 2}}]})
    refusal = completion(encodings, "gpt-4o", {"choices": [{"message": {"refusal": "No"}}]})
    assert (one, two, refusal) == (Count(2 + 7), Count(4 + 22, exact=False), Count(2))


def test_response_items_are_counted(encodings: Encodings) -> None:
    text = {"type": "message", "content": [{"type": "output_text", "text": "Hello!"}]}
    call = {"type": "function_call", "name": "f", "arguments": "{}"}
    answer = {"output": [text, call]}
    assert completion(encodings, "gpt-4o", answer, "response") == Count(2 + 2 + 7)

"""What the bodies of a call say, as messages; and titles that can be shown anywhere."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.transcripts import TITLE_CHARACTERS, Unreadable, transcript
from tests.support.talking import assistant, said, system, user

CALL = {"type": "function_call", "id": "fc", "call_id": "c1", "name": "f", "arguments": "{}"}
AS_CHAT = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def _dicts(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["role", "content", "type", "call_id", "text", "message", "id"])
    return st.dictionaries(names, inner)


def test_system_messages_are_apart_wherever_they_stand() -> None:
    prompt = [system("One"), user("Hello!"), {"role": "developer", "content": "Two"}]
    found = transcript("chat", {"messages": prompt}, {"choices": [{"message": assistant("Hi!")}]})
    assert found.system == (prompt[0], prompt[2])
    assert found.messages == (user("Hello!"),)
    assert found.answer == assistant("Hi!")


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"choices": []},
        {"choices": [{"message": assistant(None)}]},
        {"choices": [{"message": {"role": "assistant", "content": "", "tool_calls": []}}]},
        {"choices": "none", "error": {"message": "no"}},
    ],
)
def test_answer_without_a_word_is_none(answer: Any) -> None:
    assert transcript("chat", {"messages": [user("Hello!")]}, answer).answer is None


def test_items_of_a_response_are_turns() -> None:
    items = [
        user("Hello!"),
        {"type": "reasoning", "summary": []},
        said("Let me see."),
        CALL,
        {"type": "web_search_call", "id": "ws", "status": "completed"},
        CALL | {"call_id": "c2", "type": "custom_tool_call", "input": "x"},
        {"type": "function_call_output", "call_id": "c1", "output": "12"},
        {"type": "item_reference", "id": "msg"},
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": "And?"},
    ]
    request = {"input": items, "instructions": "Be kind.", "conversation": {"id": "conv_1"}}
    found = transcript("response", request, {"id": "resp_1", "output": [said("So."), CALL]})
    custom = {"id": "c2", "type": "custom", "custom": {"name": "f", "input": "x"}}
    assert found.messages == (
        user("Hello!"),
        assistant("Let me see.", tool_calls=[AS_CHAT, custom]),
        {"role": "tool", "tool_call_id": "c1", "content": "12"},
        user("And?"),
    )
    assert found.system == (system("Be kind."), {"role": "developer", "content": "Be brief."})
    assert found.answer == assistant("So.", tool_calls=[AS_CHAT])
    assert (found.upstream_id, found.hint, found.reply_to) == ("resp_1", "conv_1", None)


def test_prompt_of_a_completion_is_one_user_message() -> None:
    one = transcript("completion", {"prompt": "Once"}, {"choices": [{"text": " upon"}]})
    assert (one.messages, one.answer) == ((user("Once"),), assistant(" upon"))
    tokens = transcript("completion", {"prompt": [1, 2]}, None)
    assert tokens.messages == (user([{"type": "tokens", "tokens": [1, 2]}]),)
    answers = {"choices": [{"text": "x"}, {"text": "y"}]}
    several = transcript("completion", {"prompt": ["a", "b"]}, answers)
    assert several.messages == (user("a"), user("b"))
    assert several.answer == assistant([{"type": "text", "text": text} for text in "xy"])


@pytest.mark.parametrize(
    ("kind", "request_"),
    [
        ("chat", None),
        ("chat", []),
        ("chat", {}),
        ("chat", {"messages": ["Hello!"]}),
        ("response", {"input": 7}),
        ("response", {"input": ["Hello!"]}),
        ("images", {"prompt": "A cat"}),
    ],
)
def test_what_holds_no_messages_is_refused(kind: str, request_: Any) -> None:
    with pytest.raises(Unreadable):
        transcript(kind, request_, None)


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ([user("Hello!")], "Hello!"),
        ([user(" a\r\nb\u2028c\t\0d\x1b[31m ")], "a b c d[31m"),
        ([user("x" * 200)], "x" * (TITLE_CHARACTERS - 1) + "…"),
        ([user("\u202eevil\u2066")], "evil"),
        ([user([{"type": "image_url", "image_url": "https://a"}]), user("What?")], "What?"),
        ([assistant("Hi!"), user("")], "Hi!"),
        ([], ""),
    ],
)
def test_title_is_the_first_words_on_one_line(prompt: Any, title: str) -> None:
    assert transcript("chat", {"messages": prompt}, None).title == title


@given(st.text())
def test_title_is_short_and_printable(text: str) -> None:
    title = transcript("chat", {"messages": [user(text)]}, None).title
    assert len(title) <= TITLE_CHARACTERS
    assert title.isprintable()


@given(st.recursive(st.none() | st.text() | st.integers(), lambda i: st.lists(i) | _dicts(i)))
def test_any_json_is_messages_or_unreadable(value: Any) -> None:
    for kind in ("chat", "completion", "response"):
        for request in (value, {"messages": value, "prompt": value, "input": value}):
            try:
                transcript(kind, request, {"choices": value, "output": value})
            except Unreadable:
                continue

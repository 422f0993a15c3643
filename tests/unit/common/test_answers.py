"""common.answers: whatever came over the wire, whole or cut, becomes the answer it told."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.answers import assemble

STREAM = "text/event-stream; charset=utf-8"


def chunk(delta: dict[str, Any] | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": index, "delta": delta, "finish_reason": None}]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o-2024-08-06",
        "choices": choices,
        **more,
    }


def sse(*events: Any, end: str = "\n\n", done: bool = True) -> bytes:
    texts = [f"data: {json.dumps(event)}{end}" for event in events]
    return "".join([*texts, f"data: [DONE]{end}" if done else ""]).encode()


def message(body: bytes, kind: str = "chat") -> dict[str, Any]:
    answer = assemble(kind, STREAM, body)
    assert answer is not None
    found: dict[str, Any] = answer["choices"][0]["message"]
    return found


def test_json_answer_is_returned_as_it_is() -> None:
    assert assemble("embedding", "application/json", b'{"object":"list"}') == {"object": "list"}


@pytest.mark.parametrize("body", [b"", b"null", b"[1]", b"plain", b"\x89PNG", b'{"cut": "of'])
def test_what_is_no_answer_is_none(body: bytes) -> None:
    assert assemble("chat", "application/json", body) is None
    assert assemble("chat", STREAM, body) is None


def test_chat_chunks_become_a_message_with_usage() -> None:
    whole = assemble(
        "chat",
        STREAM,
        sse(
            chunk({"role": "assistant", "content": ""}),
            chunk({"content": "Hel"}),
            chunk({"content": "lo"}, usage=None),
            {**chunk(), "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            chunk(usage={"prompt_tokens": 1, "completion_tokens": 0}),
        ),
    )
    assert whole == {
        "id": "chatcmpl-1",
        "created": 1,
        "model": "gpt-4o-2024-08-06",
        "usage": {"prompt_tokens": 1, "completion_tokens": 0},
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello"},
                "finish_reason": "stop",
            }
        ],
    }


@pytest.mark.parametrize("end", ["\r\n\r\n", "\r\r", "\n\n\n"])
def test_every_line_end_of_the_standard_is_understood(end: str) -> None:
    assert message(sse(chunk({"content": "a"}), chunk({"content": "b"}), end=end))["content"] == (
        "ab"
    )


def test_comments_other_fields_and_missing_spaces_are_understood() -> None:
    body = b': keepalive\nid: 7\nretry: 1\nevent: x\ndata:{"choices":[{"delta":{"content":"a"}}]}\n'
    assert message(b"\xef\xbb\xbf" + body + b"\ndata:[DONE]\n\n")["content"] == "a"


def test_data_over_several_lines_is_one_event() -> None:
    body = b'data: {"choices":\ndata: [{"index":0,"delta":{"content":"a"}}]}\n\n'
    assert message(body)["content"] == "a"


def test_lines_without_blank_lines_between_are_events_of_their_own() -> None:
    body = sse(chunk({"content": "a"}), chunk({"content": "b"}), end="\n")
    assert message(body)["content"] == "ab"


def test_line_separators_in_text_end_no_event() -> None:
    text = "a\u2028b\u2029c\u0085d\x0be\x0cf"
    body = "data: " + json.dumps(chunk({"content": text}), ensure_ascii=False) + "\n\n"
    assert message(body.encode())["content"] == text


def test_character_split_over_two_chunks_is_whole_again() -> None:
    body = sse(chunk({"content": "\ud83d"}), chunk({"content": "\ude00 and \ud800"}))
    assert message(body)["content"] == "\U0001f600 and \N{REPLACEMENT CHARACTER}"


def test_tool_calls_are_merged_by_index() -> None:
    first = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
    second = {"index": 1, "id": "b", "type": "function", "function": {"name": "g"}}
    body = sse(
        chunk({"role": "assistant", "content": None, "tool_calls": [first]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]}),
        chunk({"tool_calls": [second, {"index": 0, "function": {"arguments": ":1}"}}]}),
        chunk({"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]}),
    )
    assert message(body) == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    }


def test_tool_calls_without_index_begin_at_a_new_id() -> None:
    body = sse(
        chunk({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}]}),
        chunk({"tool_calls": [{"function": {"arguments": "}"}}]}),
        chunk({"tool_calls": [{"id": "b", "function": {"name": "g", "arguments": "{}"}}]}),
    )
    assert [call["function"]["arguments"] for call in message(body)["tool_calls"]] == ["{}", "{}"]


def test_unknown_string_fields_grow_and_roles_do_not() -> None:
    piece = {"role": "assistant", "reasoning_content": "th", "refusal": "no", "audio": {"id": "x"}}
    body = sse(chunk(piece), chunk({**piece, "function_call": {"name": "f", "arguments": "1"}}))
    assert message(body) == {
        "role": "assistant",
        "content": None,
        "reasoning_content": "thth",
        "refusal": "nono",
        "audio": {"id": "x"},
        "function_call": {"name": "f", "arguments": "1"},
    }


def test_several_choices_stay_apart() -> None:
    body = sse(chunk({"content": "b"}, index=1), chunk({"content": "a"}), chunk({"content": "c"}))
    answer = assemble("chat", STREAM, body)
    assert answer is not None
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["ac", "b"]


@pytest.mark.parametrize(
    "event",
    ['data: {"error": {"message": "m"}}', 'event: error\ndata: {"type":"error","message": "m"}'],
)
def test_error_in_a_stream_is_kept_beside_what_came_before(event: str) -> None:
    body = sse(chunk({"content": "so far"}), done=False) + event.encode() + b"\n\n"
    answer = assemble("chat", STREAM, body)
    assert answer is not None and answer["error"]["message"] == "m"
    assert answer["choices"][0]["message"]["content"] == "so far"


def test_completion_chunks_become_text() -> None:
    pieces = [{"id": "c", "choices": [{"index": 0, "text": text}]} for text in ("a", "b")]
    answer = assemble("completion", STREAM, sse(*pieces))
    assert answer is not None and answer["object"] == "text_completion"
    assert answer["choices"][0]["text"] == "ab"


def response_events() -> list[dict[str, Any]]:
    item = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
    place = {"output_index": 0, "content_index": 0}
    call = {"id": "fc_1", "type": "function_call", "name": "f", "arguments": ""}
    return [
        {"type": "response.created", "response": {"id": "resp_1", "model": "m", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_text.delta", **place, "delta": "Hel"},
        {"type": "response.output_text.delta", **place, "delta": "lo"},
        {"type": "response.output_item.added", "output_index": 1, "item": call},
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "{}"},
    ]


def test_cut_response_stream_is_built_from_its_deltas() -> None:
    answer = assemble("response", STREAM, sse(*response_events(), done=False))
    assert answer is not None and answer["id"] == "resp_1"
    assert answer["output"][0]["content"] == [{"type": "output_text", "text": "Hello"}]
    assert answer["output"][1]["arguments"] == "{}"


@pytest.mark.parametrize("last", ["completed", "incomplete", "failed"])
def test_whole_response_stream_is_its_last_response(last: str) -> None:
    final = {"id": "resp_1", "object": "response", "status": last, "output": [{"type": "x"}]}
    events = [*response_events(), {"type": f"response.{last}", "response": final}]
    assert assemble("response", STREAM, sse(*events)) == final


def test_mislabelled_bodies_are_understood() -> None:
    assert message_of("application/json", sse(chunk({"content": "a"}))) == "a"
    assert assemble("chat", STREAM, b'{"choices": []}') == {"choices": []}


def message_of(content_type: str, body: bytes) -> str:
    answer = assemble("chat", content_type, body)
    assert answer is not None
    text: str = answer["choices"][0]["message"]["content"]
    return text


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b'{"choices":[NaN,1e999]}'])
def test_hostile_json_raises_nothing(body: bytes) -> None:
    for content_type in ("application/json", STREAM):
        assemble("chat", content_type, b"data: " + body + b"\n\n")
        assemble("chat", content_type, body)


@given(cut=st.integers(0, 10_000))
def test_stream_cut_anywhere_tells_a_prefix(cut: int) -> None:
    words = ["Grüße", " 你好", " \u2028", " \U0001f600", " end"]
    body = sse(*[chunk({"content": word}) for word in words])
    answer = assemble("chat", STREAM, body[: cut % len(body)])
    if answer is not None:
        content = answer["choices"][0]["message"]["content"] or ""
        assert "".join(words).startswith(content)


NAMES = """choices delta index tool_calls function text type error response output_index
content_index item content message name arguments id""".split()
TYPES = ["response.output_item.added", "response.output_text.delta", "response.created", "error"]
anything = st.recursive(
    st.none() | st.integers(-1, 3) | st.sampled_from(["a", *TYPES]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
        | st.fixed_dictionaries(
            {"type": st.sampled_from(TYPES), "output_index": st.just(0)},
            optional={"item": inner, "delta": inner, "response": inner, "content_index": inner},
        )
    ),
)


@given(values=st.lists(anything, max_size=6))
def test_any_json_in_a_stream_raises_nothing(values: list[Any]) -> None:
    chunks = [{"choices": [{"delta": value}]} for value in values]
    wrapped = [{"choices": value} for value in values]
    for kind in ("chat", "completion", "response"):
        assemble(kind, STREAM, sse(*values, *wrapped, *chunks))


def events(*every: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in every)


def test_streamed_transcription_has_its_words_and_its_usage() -> None:
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 3, "total_tokens": 17}
    pieces = [{"type": "transcript.text.delta", "delta": word} for word in ("Hel", "lo")]
    done = {"type": "transcript.text.done", "text": "Hello", "usage": usage}
    whole = assemble("audio", "text/event-stream", events(*pieces, done))
    assert whole == {"text": "Hello", "usage": usage}
    assert assemble("audio", "text/event-stream", events(*pieces)) == {"text": "Hello"}


def test_streamed_speech_and_pictures_tell_their_usage() -> None:
    usage = {"input_tokens": 5, "output_tokens": 6, "total_tokens": 11}
    speech = [{"type": "speech.audio.delta", "audio": "AA=="}]
    speech.append({"type": "speech.audio.done", "usage": usage})  # type: ignore[dict-item]
    assert assemble("audio", "text/event-stream", events(*speech)) == {"usage": usage}
    sketch = {"type": "image_generation.partial_image", "b64_json": "AA=="}
    done = {"type": "image_generation.completed", "b64_json": "BB==", "created_at": 7}
    answer = assemble("images", "text/event-stream", events(sketch, done | {"usage": usage}))
    assert answer == {"created": 7, "data": [{"b64_json": "BB=="}], "usage": usage}
    assert assemble("images", "text/event-stream", events(sketch)) is None

"""What is asked and answered."""

import json

import pytest

from bench import traffic
from bench.traffic import Plan, plan_of, question


def parts(request: bytes) -> tuple[bytes, bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize("size", [600, 1_000_000])
@pytest.mark.parametrize("number", [0, 7, 999_999_999_999])
def test_a_question_is_as_long_as_it_says(size: int, number: int) -> None:
    asked = question("here:80", "/v1/x", {"Authorization": "Bearer t"}, body_bytes=size)
    head, body = parts(asked.numbered(number))
    assert f"Content-Length: {len(body)}".encode() in head
    assert abs(len(body) - size) <= 4
    assert f"Case {number:012d}." in json.loads(body)["messages"][1]["content"]
    assert json.loads(body)["stream"] is False


@pytest.mark.parametrize("plan", [Plan(50, 200), Plan(0.2, 3), Plan(20_000, 1)])
def test_a_question_says_how_it_wants_its_stream(plan: Plan) -> None:
    _, body = parts(question("h", "/", {}, plan=plan).numbered(1))
    assert json.loads(body)["stream"] is True
    assert plan_of(body) == plan


def test_a_plain_question_has_no_plan() -> None:
    assert plan_of(question("h", "/", {}).numbered(1)) is None


def test_the_answer_is_about_a_kilobyte() -> None:
    head, body = parts(traffic.answer())
    assert abs(len(body) - 1000) <= 4
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body)["choices"][0]["finish_reason"] == "stop"


def test_a_content_event_tells_its_moment() -> None:
    size, _, event = traffic.content_event(12.25).partition(b"\r\n")
    assert int(size, 16) == len(event) - 2
    chunk = json.loads(event.removeprefix(b"data: "))
    assert chunk["choices"][0]["delta"]["content"] == "tick 0000000012.250000"


@pytest.mark.parametrize("usage", [True, False])
def test_a_stream_ends_with_usage_only_if_asked(usage: bool) -> None:
    closing = traffic.closing_events(usage=usage)
    assert (b'"usage"' in closing) is usage
    assert closing.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")

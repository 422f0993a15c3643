"""The demo's words and their counts."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.demo.text import count_tokens, demo_answer, pieces, quoted, write


@given(st.text())
def test_pieces_are_the_text_again(text: str) -> None:
    assert "".join(pieces(text)) == text
    assert count_tokens(text) <= max(len(text), 0)


@given(st.text(), st.integers(min_value=1, max_value=20))
def test_nothing_longer_is_written_than_was_asked_for(text: str, limit: int) -> None:
    written = write(text, limit)
    assert written.tokens <= limit
    assert text.startswith(written.text)
    assert written.cut == (written.text != text)


def test_long_questions_are_quoted_in_part() -> None:
    assert quoted("a  b\nc") == "“a b c”"
    assert len(quoted("x" * 1000)) == 203


def test_later_turns_say_so() -> None:
    turns = [{"role": "user", "content": text} for text in ("a", "b", "c")]
    assert "turn 3" in demo_answer(turns)
    assert "turn" not in demo_answer(turns[:1])


def test_a_tools_result_is_told() -> None:
    assert "12 degrees" in demo_answer([{"role": "tool", "content": "12 degrees"}])

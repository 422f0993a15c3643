"""A chat with the current SDK, with what the acceptance tests want to know of every call."""

from dataclasses import dataclass
from typing import Any

from openai import OpenAI


@dataclass(frozen=True)
class Answer:
    """One answer, and the id of its record."""

    id: str
    message: dict[str, Any]
    usage: Any

    @property
    def text(self) -> str:
        text: str = self.message["content"]
        return text


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def ask(client: OpenAI, messages: list[dict[str, Any]], **options: Any) -> Answer:
    """One chat completion, not streamed."""
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-fake",
        messages=messages,  # type: ignore[arg-type]
        **options,
    )
    answer = raw.parse()
    message = answer.choices[0].message.model_dump(exclude_none=True)
    return Answer(raw.headers["x-request-id"], message, answer.usage)


def ask_streamed(client: OpenAI, messages: list[dict[str, Any]], **options: Any) -> Answer:
    """One chat completion, put together from its stream."""
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-fake",
        messages=messages,  # type: ignore[arg-type]
        stream=True,
        **options,
    )
    text, usage = "", None
    chunks: Any = raw.parse()
    for chunk in chunks:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
    return Answer(raw.headers["x-request-id"], {"role": "assistant", "content": text}, usage)

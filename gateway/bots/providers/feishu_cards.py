"""The bot's messages as Feishu's cards (schema 2.0), or as text where a card is not taken. Pure."""

from typing import Any

import msgspec

from gateway.bots.message import Button, Message, plain

MOST_CARD_BYTES = 30_000
"""Feishu's own limit; a longer one is sent as text."""


def content(message: Message) -> tuple[str, str]:
    """`msg_type` and `content`, which is always a JSON string."""
    written = msgspec.json.encode(card(message))
    return ("interactive", written.decode()) if len(written) <= MOST_CARD_BYTES else text(message)


def text(message: Message) -> tuple[str, str]:
    return "text", msgspec.json.encode({"text": _quoted(plain(message))}).decode()


def card(message: Message) -> dict[str, Any]:
    return {
        "schema": "2.0",
        "config": {"update_multi": True},
        "header": {
            "title": {"tag": "plain_text", "content": message.title},
            "template": "blue" if message.good else "orange",
        },
        "body": {
            "elements": [
                *({"tag": "markdown", "content": _marked(part)} for part in message.paragraphs),
                *(_button(button, message.language) for button in message.buttons),
            ]
        },
    }


def reply(message: Message) -> bytes:
    """To a click: a word at once, and the card that takes the place of the old one."""
    kind = "success" if message.good else "error"
    said = plain(message)
    return msgspec.json.encode(
        {
            "toast": {"type": kind, "content": said.replace("\n\n", ": ", 1)},
            **({"card": {"type": "raw", "data": card(message)}} if message.good else {}),
        }
    )


def _button(button: Button, language: str) -> dict[str, Any]:
    value = {"op": button.op, "id": button.id, "language": language}
    return {
        "tag": "button",
        "type": "danger",
        "text": {"tag": "plain_text", "content": button.label},
        "confirm": {
            "title": {"tag": "plain_text", "content": button.label},
            "text": {"tag": "plain_text", "content": button.confirm},
        },
        "behaviors": [{"type": "callback", "value": value}],
    }


def _marked(paragraph: str) -> str:
    """Cards know HTML tags of their own; a block of code is left as it is."""
    return paragraph if paragraph.startswith("```") else _quoted(paragraph)


def _quoted(said: str) -> str:
    return said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

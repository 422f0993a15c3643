"""Messages as Feishu's cards."""

import json

from gateway.bots.message import Button, Message
from gateway.bots.providers.feishu_cards import content, reply, text

MESSAGE = Message(
    "Title",
    ["```\nogw_x\n```", "**strong** <at id=all></at> & `code`"],
    "en",
    (Button("Revoke 7", "revoke", 7, "Sure?"),),
)


def test_a_card_has_its_paragraphs_and_buttons() -> None:
    kind, written = content(MESSAGE)
    card = json.loads(written)
    code, line, button = card["body"]["elements"]
    assert kind == "interactive"
    assert code["content"] == "```\nogw_x\n```"
    assert line["content"] == "**strong** &lt;at id=all&gt;&lt;/at&gt; &amp; `code`"
    value = {"op": "revoke", "id": 7, "language": "en"}
    assert button["behaviors"] == [{"type": "callback", "value": value}]
    assert card["config"]["update_multi"] is True


def test_what_is_too_long_for_a_card_is_a_text() -> None:
    kind, written = content(Message("Title", ["长" * 20_000], "zh"))
    assert kind == "text"
    assert json.loads(written)["text"].startswith("Title\n\n长")


def test_a_text_has_no_marks() -> None:
    assert json.loads(text(MESSAGE)[1])["text"] == (
        "Title\n\nogw_x\n\nstrong &lt;at id=all&gt;&lt;/at&gt; &amp; code"
    )


def test_a_click_is_answered_with_a_word_and_the_new_card() -> None:
    done = json.loads(reply(Message("Revoked", ["Token 7."], "en")))
    assert done["toast"] == {"type": "success", "content": "Revoked: Token 7."}
    assert done["card"]["data"]["header"]["title"]["content"] == "Revoked"
    refused = json.loads(reply(Message("No", ["Not yours."], "en", good=False)))
    assert refused["toast"]["type"] == "error"
    assert "card" not in refused

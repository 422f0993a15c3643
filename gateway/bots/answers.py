"""The bot's messages, put together from its sentences. Pure: what they tell of is an argument."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.bots.commands import Language
from gateway.bots.message import Button, Message
from gateway.bots.texts import TEXTS

MOST_LISTED = 20
"""Keys, or models of one span: cards have their limits, and so have readers."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the gateway allows, as its settings say."""

    days: int
    days_max: int
    most: int
    """Valid access tokens of one user."""
    base_url: str
    """For OpenAI clients."""


@dataclass(frozen=True, slots=True)
class Key:
    """An access token that its owner has had, without the token."""

    id: int
    hint: str
    name: str
    expires_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """What one model was used for."""

    model: str
    counts: Mapping[str, int]
    """With `calls`, `prompt_tokens`, `completion_tokens`."""


class Answers:
    """What the bot says in one language."""

    def __init__(self, language: Language, terms: Terms) -> None:
        self._language, self._texts, self._terms = language, TEXTS[language], terms

    def help(self) -> Message:
        texts, terms = self._texts, self._terms
        lines = (text.format(days=terms.days, days_max=terms.days_max) for text in texts.help)
        return self._say(texts.help_title, *lines)

    def key(self, id: int, token: str, expires_at: datetime, *, again: bool) -> Message:
        """The one message that shows a token. `again`: an earlier one may have shown another."""
        texts = self._texts
        filled = {"id": id, "token": token, "expires": moment(expires_at)}
        lines = [text.format(**filled, base_url=self._terms.base_url) for text in texts.key]
        if again:
            lines.append(texts.earlier_key)
        return self._say(texts.key_title, *lines, buttons=[self._revoke(id)])

    def link(self, url: str) -> Message:
        texts = self._texts
        return self._say(texts.link_title, *(text.format(url=url) for text in texts.link))

    def sent_privately(self) -> Message:
        return self._say(self._texts.sent_title, self._texts.sent_privately)

    def not_reached(self) -> Message:
        return self._say(self._texts.refused_title, self._texts.not_reached, good=False)

    def keys(self, keys: Sequence[Key]) -> Message:
        texts, shown = self._texts, keys[:MOST_LISTED]
        if not shown:
            return self._say(texts.keys_title, texts.no_keys)
        lines = "\n".join(self._line(key) for key in shown)
        return self._say(texts.keys_title, lines, buttons=[self._revoke(key.id) for key in shown])

    def revoked(self, id: int, hint: str) -> Message:
        texts = self._texts
        return self._say(texts.revoked_title, texts.revoked.format(id=id, hint=hint))

    def which_key(self) -> Message:
        return self._refused(self._texts.which_key)

    def unknown_key(self, id: int) -> Message:
        return self._refused(self._texts.unknown_key.format(id=id))

    def usage(self, spans: Sequence[Sequence[Used]]) -> Message:
        """Today's, and that of the last 7 and 30 days with today."""
        texts = self._texts
        parts = [
            f"**{title}**\n{self._used(used)}"
            for title, used in zip(texts.usage_spans, spans, strict=True)
        ]
        return self._say(texts.usage_title, *parts)

    def wrong_days(self) -> Message:
        return self._refused(self._texts.wrong_days.format(days_max=self._terms.days_max))

    def too_many(self) -> Message:
        return self._refused(self._texts.too_many.format(most=self._terms.most))

    def blocked(self) -> Message:
        return self._refused(self._texts.blocked)

    def failed(self) -> Message:
        return self._say(self._texts.failed_title, self._texts.failed, good=False)

    def reminder(self, key: Key) -> Message:
        filled = self._texts.reminder.format(
            id=key.id, hint=key.hint, name=called(key), expires=moment(key.expires_at)
        )
        return self._say(self._texts.reminder_title, _tidy(filled))

    def _line(self, key: Key) -> str:
        used = moment(key.last_used_at) if key.last_used_at else self._texts.never_used
        filled = {"id": key.id, "hint": key.hint, "name": called(key), "used": used}
        return _tidy(self._texts.key_line.format(**filled, expires=moment(key.expires_at)))

    def _used(self, used: Sequence[Used]) -> str:
        lines = [
            self._texts.usage_line.format(
                model=quiet(one.model) or "-",
                calls=f"{one.counts['calls']:,}",
                total=f"{one.counts['prompt_tokens'] + one.counts['completion_tokens']:,}",
                prompt=f"{one.counts['prompt_tokens']:,}",
                completion=f"{one.counts['completion_tokens']:,}",
            )
            for one in used[:MOST_LISTED]
        ]
        return "\n".join(lines) or self._texts.usage_none

    def _revoke(self, id: int) -> Button:
        texts = self._texts
        return Button(
            texts.revoke.format(id=id), "revoke", id, confirm=texts.revoke_confirm.format(id=id)
        )

    def _refused(self, sentence: str) -> Message:
        return self._say(self._texts.refused_title, sentence, good=False)

    def _say(
        self, title: str, *paragraphs: str, buttons: Sequence[Button] = (), good: bool = True
    ) -> Message:
        return Message(title, paragraphs, self._language, tuple(buttons), good)


def moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def called(key: Key) -> str:
    """The name that its owner gave it; the one that a bot gives by itself says nothing to her."""
    return "" if re.fullmatch(r"\w+ [0-9a-f]{8}", key.name) else quiet(key.name)


def quiet(text: str) -> str:
    """Somebody's own words, without what would steer a message's looks."""
    return re.sub(r"[*`<>\[\]\\\s]+", " ", text)[:60].strip()


def _tidy(line: str) -> str:
    """Where a name was empty."""
    return re.sub(r" +([,，)）])", r"\1", line)

"""Slack: messages to the bot, mentions of it, a slash command, buttons.

Everything Slack sends is signed alike (docs.slack.dev/authentication/verifying-requests). A slash
command and its answer are seen by one person alone, so that a key may be shown there. A button is
the command that it stands for.
"""

import hmac
import re
from collections.abc import Mapping
from hashlib import sha256
from math import inf
from typing import Any
from urllib.parse import parse_qs

import httpx2
import msgspec
from pydantic import BaseModel, Field, SecretStr

from common.foreign_json import json_object
from gateway.bots.bot import Bot, Listen, ProviderRefused
from gateway.bots.calling import Again, Answer, Caller, seconds
from gateway.bots.commands import Language
from gateway.bots.message import Button, Delivery, Inbound, Message, Person, Received
from gateway.errors import MalformedEvent, StaleEvent, UnverifiedEvent
from gateway.settings import GatewaySettings

WINDOW_S = 300.0
"""As Slack advises."""
_COMMANDS = {"en": "revoke key", "zh": "撤销key"}
_AGAIN = {"ratelimited", "service_unavailable", "internal_error", "fatal_error", "request_timeout"}

_Fields = Mapping[str, Any]


class Settings(BaseModel):
    """What this bot must be told."""

    slack_signing_secret: SecretStr = Field(
        SecretStr(""), description="Signing Secret of the Slack app."
    )
    slack_bot_token: SecretStr = Field(
        SecretStr(""), description="Bot User OAuth Token of the Slack app, `xoxb-…`."
    )
    slack_team_ids: str = Field("", description="Workspaces whose people are heard.")
    slack_url: str = Field("https://slack.com/api", description="Where Slack's Web API is.")
    slack_hooks_url: str = Field(
        "https://hooks.slack.com", description="Where answers to slash commands may go."
    )


def make(settings: GatewaySettings, client: httpx2.AsyncClient) -> Bot:
    return Slack(settings.section(Settings), Caller(client, Slack.name))


class Slack:
    """The bot of one app."""

    name = "slack"
    language: Language = "en"
    listen: Listen | None = None

    def __init__(self, settings: Settings, caller: Caller) -> None:
        self._secret = settings.slack_signing_secret.get_secret_value()
        self._token = settings.slack_bot_token.get_secret_value()
        self._teams = {t.strip() for t in settings.slack_team_ids.split(",") if t.strip()}
        self._url = settings.slack_url.rstrip("/")
        self._hooks = f"{settings.slack_hooks_url.rstrip('/')}/"
        self._caller = caller

    def receive(self, delivery: Delivery, now: float) -> Received:
        self._verify(delivery, now)
        if delivery.headers.get("content-type", "").startswith("application/json"):
            return self._event(_object(delivery.body))
        form = {name: values[0] for name, values in _form(delivery.body).items()}
        if "payload" in form:
            return self._pressed(_object(form["payload"]))
        return self._command(form)

    async def concerns(self, inbound: Inbound) -> bool:
        """Only messages to it and mentions of it are subscribed to."""
        return True

    async def name_of(self, person: Person) -> str | None:
        """Needs the scope users:read."""
        answer = await self._call("users.info", {"user": person.subject}, get=True)
        user = answer.body.get("user")
        name = user.get("real_name") or user.get("name") if isinstance(user, dict) else None
        return name if isinstance(name, str) and name else None

    async def answer(self, inbound: Inbound, message: Message, once: str) -> None:
        context, said = inbound.context, _said(message)
        if url := context.get("response_url"):
            body = {**said, "response_type": "ephemeral", "replace_original": False}
            await self._caller.call("response_url", "POST", url, _judged_by_status, json=body)
            return
        thread = {"thread_ts": context["thread"]} if context.get("thread") else {}
        await self._call("chat.postMessage", {**said, **thread, "channel": context["channel"]})

    async def tell(self, person: Person, message: Message, once: str) -> None:
        """A user's id is the address of what is between her and the bot."""
        await self._call("chat.postMessage", {**_said(message), "channel": person.subject})

    async def check(self) -> str:
        body = (await self._call("auth.test", {}, tries=1)).body
        return f"accepted, as {body.get('user')} in {body.get('team')}"

    async def _call(
        self, method: str, fields: _Fields, *, get: bool = False, tries: int = 5
    ) -> Answer:
        url, how = f"{self._url}/{method}", "GET" if get else "POST"
        given: dict[str, Any] = {"params": fields} if get else {"json": fields}
        return await self._caller.call(
            method, how, url, _judged, headers=self._headers, tries=tries, **given
        )

    async def _headers(self) -> Mapping[str, str]:
        return {"authorization": f"Bearer {self._token}"}

    def _verify(self, delivery: Delivery, now: float) -> None:
        timestamp = delivery.headers.get("x-slack-request-timestamp", "")
        signed = f"v0:{timestamp}:".encode("utf-8", "surrogateescape") + delivery.body
        ours = "v0=" + hmac.new(self._secret.encode(), signed, sha256).hexdigest()
        theirs = delivery.headers.get("x-slack-signature", "")
        if not self._secret or not hmac.compare_digest(
            ours.encode(), theirs.encode("utf-8", "surrogateescape")
        ):
            raise UnverifiedEvent("wrong signature" if theirs else "not signed")
        signed_at = float(timestamp) if timestamp.isdecimal() and len(timestamp) < 12 else inf
        if abs(now - signed_at) > WINDOW_S:
            raise StaleEvent("signed too long ago, or in the future")

    def _event(self, body: _Fields) -> Received:
        if body.get("type") == "url_verification":
            return Received(msgspec.json.encode({"challenge": body.get("challenge", "")}))
        event = body.get("event")
        if body.get("type") != "event_callback" or not isinstance(event, dict):
            return Received(ignored="event_type")
        if event.get("type") not in ("message", "app_mention") or "subtype" in event:
            return Received(ignored="event_type")
        if "bot_id" in event:
            return Received(ignored="not_a_person")
        private = event.get("channel_type") == "im"
        if event["type"] == "message" and not private:
            return Received(ignored="not_addressed")
        team = event.get("user_team") or event.get("team") or body.get("team_id")
        channel, ts = _text(event, "channel"), _text(event, "ts")
        context = {"channel": channel, "thread": _text(event, "thread_ts") if private else ts}
        said = re.sub(r"<@[^<>]*>", " ", _text(event, "text"))
        keys = (f"event {_text(body, 'event_id')}", f"message {channel} {ts}")
        return self._heard(team, event.get("user"), said, private, context, keys)

    def _command(self, form: _Fields) -> Received:
        context, keys = self._aside(form), (f"trigger {_text(form, 'trigger_id')}",)
        team, user, said = form.get("team_id"), form.get("user_id"), _text(form, "text")
        return self._heard(team, user, said, True, context, keys, reply=b"")

    def _pressed(self, payload: _Fields) -> Received:
        user, actions = payload.get("user"), payload.get("actions")
        if payload.get("type") != "block_actions" or not isinstance(user, dict):
            return Received(b"", ignored="event_type")
        match actions:
            case [{"value": str(value)}, *_]:
                pressed = _object(value)
            case _:
                pressed = {}
        match pressed:
            case {"op": "revoke", "id": int(id), "language": "zh" | "en" as language}:
                said = f"{_COMMANDS[language]} {id}"
            case _:
                return Received(b"", ignored="unknown_button")
        context, keys = self._aside(payload), (f"trigger {_text(payload, 'trigger_id')}",)
        team, person = user.get("team_id"), user.get("id")
        return self._heard(team, person, said, True, context, keys, reply=b"")

    def _aside(self, fields: _Fields) -> dict[str, str]:
        """Where one person alone is answered: nowhere but at Slack. Raises MalformedEvent."""
        url = _text(fields, "response_url")
        if not url.startswith(self._hooks):
            raise MalformedEvent("Its response_url is none of Slack's.")
        return {"response_url": url}

    def _heard(
        self,
        team: Any,
        user: Any,
        said: str,
        private: bool,
        context: dict[str, str],
        keys: tuple[str, ...],
        reply: bytes = b"{}",
    ) -> Received:
        if not isinstance(user, str) or not isinstance(team, str) or not user:
            return Received(reply, ignored="nobody")
        if team not in self._teams:
            return Received(reply, ignored="foreign_tenant")
        inbound = Inbound(Person(self.name, team, user), said, private, context)
        return Received(reply, keys, inbound)


def _judged(answer: Answer) -> Again | None:
    """Slack's failures come with status 200."""
    error = str(answer.body.get("error", "no JSON"))[:100]
    if answer.status == 429 or answer.status >= 500 or error in _AGAIN:
        return Again(f"status {answer.status}", seconds(answer.headers.get("retry-after")))
    if answer.body.get("ok") is not True:
        raise ProviderRefused(f"status {answer.status}: {error}")
    return None


def _judged_by_status(answer: Answer) -> Again | None:
    if answer.status == 429 or answer.status >= 500:
        return Again(f"status {answer.status}", seconds(answer.headers.get("retry-after")))
    if answer.status >= 400:
        raise ProviderRefused(f"status {answer.status}")
    return None


def _said(message: Message) -> dict[str, Any]:
    """Notifications show the title alone: a key is not for a locked screen."""
    title = {"type": "plain_text", "text": message.title}
    parts = [{"type": "mrkdwn", "text": _marked(part)[:3000]} for part in message.paragraphs]
    buttons = [_button(button, message.language) for button in message.buttons]
    blocks = [
        {"type": "header", "text": title},
        *({"type": "section", "text": part} for part in parts),
        *([{"type": "actions", "elements": buttons}] if buttons else []),
    ]
    return {"text": message.title, "blocks": blocks}


def _button(button: Button, language: Language) -> dict[str, Any]:
    value = {"op": button.op, "id": button.id, "language": language}
    label = {"type": "plain_text", "text": button.label}
    return {
        "type": "button",
        "style": "danger",
        "text": label,
        "action_id": f"{button.op} {button.id}",
        "value": msgspec.json.encode(value).decode(),
        "confirm": {
            "title": label,
            "text": {"type": "plain_text", "text": button.confirm},
            "confirm": label,
            "deny": {"type": "plain_text", "text": "取消" if language == "zh" else "Cancel"},
        },
    }


def _marked(paragraph: str) -> str:
    """Slack's own marks: one asterisk for what is strong; and its three characters escaped."""
    quoted = paragraph.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return quoted.replace("**", "*")


def _object(data: bytes | str) -> _Fields:
    if (found := json_object(data)) is None:
        raise MalformedEvent
    return found


def _form(body: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise MalformedEvent from None


def _text(fields: _Fields, name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""

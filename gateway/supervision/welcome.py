"""What a person at a terminal is told once the gateway serves: where, and how to make a call."""

import shutil
import sys

from gateway.settings import GatewaySettings

_MODEL = "gpt-4.1-mini"
_DEMO_MODEL = "demo-chat"


def program() -> str:
    """What to type to run this program again: its name, or its path where it is on none."""
    typed = sys.argv[0]
    return typed if typed.endswith("/gateway") and shutil.which("gateway") is None else "gateway"


def base_url(settings: GatewaySettings, port: int) -> str:
    """The address as somebody on this machine would write it."""
    host = settings.host
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def greeting(settings: GatewaySettings, url: str, first_token: str | None) -> str:
    """`first_token` is shown here and nowhere else, and on the first start alone."""
    parts = [f"The gateway serves on {url}  (OpenAI clients: {url}/v1)"]
    if first_token is None:
        parts.append(f"Access tokens are issued by:  {program()} token issue admin")
    else:
        parts.append(
            f"An access token of the user admin, good for {settings.token_days} days, shown only"
            f" now:\n\n    {first_token}\n\nMore are issued by:  {program()} token issue admin"
        )
        parts.append(_snippets(f"{url}/v1", first_token, _model(settings)))
    if settings.demo:
        parts.append(demo_notice(settings))
    return "\n" + "\n\n".join(parts) + "\n\n"


def demo_notice(settings: GatewaySettings) -> str:
    why = (
        "GATEWAY_DEMO is on"
        if settings.gateway_demo == "on"
        else "There is no provider key (OPENAI_API_KEY)"
    )
    return f"{why}: the demo upstream answers, with made-up text, offline."


def _model(settings: GatewaySettings) -> str:
    if settings.demo:
        return _DEMO_MODEL
    named = (model for c in settings.credentials for model in sorted(c.upstream.models or ()))
    return next(named, _MODEL)


def _snippets(url: str, token: str, model: str) -> str:
    return f"""\
Try it with curl:

curl {url}/chat/completions \\
  -H "Authorization: Bearer {token}" -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello!"}}]}}'

or with Python (pip install openai):

from openai import OpenAI
client = OpenAI(base_url="{url}", api_key="{token}")
answer = client.chat.completions.create(
    model="{model}", messages=[{{"role": "user", "content": "Hello!"}}]
)
print(answer.choices[0].message.content)"""

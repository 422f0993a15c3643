"""The pages as HTML: `templates/` with the words of a language. What they show is an argument.

Everything that goes into a template is escaped by Jinja; nothing is loaded from elsewhere.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gateway.errors import GatewayError
from gateway.signin.words import Words

HERE = Path(__file__).parent
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Pages:
    """Made once; `base` is the path under which people reach the gateway, mostly empty."""

    def __init__(self, base: str, url: str) -> None:
        self._base, self._url = base, url
        self.assets: Mapping[str, tuple[bytes, str]] = {
            path.name: (path.read_bytes(), KINDS[path.suffix])
            for path in sorted((HERE / "assets").iterdir())
            if path.suffix in KINDS
        }
        content = b"".join(content for content, _ in self.assets.values())
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            base=base, version=sha256(content).hexdigest()[:12], moment=moment
        )

    def page(self, template: str, words: Words, **shown: Any) -> str:
        return self._environment.get_template(f"{template}.html").render(words=words, **shown)

    def fresh(self, token: str, words: Words) -> list[tuple[str, str, str]]:
        """How to use a new key: id, title and text of each way."""
        base_url = f"{self._url}/v1"
        return [
            ("use-shell", words["use_shell"], SHELL.format(url=base_url, token=token)),
            ("use-python", words["use_python"], PYTHON),
            ("use-curl", words["use_curl"], CURL),
        ]

    def failure(self, error: GatewayError, words: Words, way: str, way_name: str) -> str:
        """What happened and what to do, by the error's code; `way` leads on from there."""
        title, text = words.failure(error.code)
        if error.code == "invalid_request" and words.language == "en":
            text = error.message
        return self.page(
            "failure", words, title=title, text=text, way=way, way_name=way_name,
            status=error.status, code=error.code, message=error.message,
        )  # fmt: skip


def moment(at: datetime) -> Markup:
    """In UTC; a script shows it in the reader's own zone."""
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"), utc.strftime("%Y-%m-%d %H:%M UTC")
    )


SHELL = """\
export OPENAI_BASE_URL={url}
export OPENAI_API_KEY={token}"""

PYTHON = """\
from openai import OpenAI

client = OpenAI()  # reads the two variables above
answer = client.chat.completions.create(
    model="gpt-4.1", messages=[{"role": "user", "content": "Hello!"}]
)
print(answer.choices[0].message.content)"""

CURL = """\
curl $OPENAI_BASE_URL/chat/completions \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "gpt-4.1",
       "messages": [{"role": "user", "content": "Hello!"}]}'"""

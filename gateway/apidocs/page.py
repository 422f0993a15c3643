"""The page at `/docs`: the OpenAPI document as HTML, complete in itself, without a script. Pure."""

from collections.abc import Mapping
from html import escape
from typing import Any

STYLE = """\
:root { color-scheme: light dark; --ink: #1a1d23; --soft: #5b6472; --ground: #fbfbfa; --card: #fff;
  --line: #e3e5e8; --accent: #0b6bcb; --get: #0b7a4b; --post: #0b5fb8; --delete: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #9aa3b0; --ground: #131519;
  --card: #1b1e24; --line: #2d323b; --accent: #6cb2ff; --get: #4cc38a; --post: #6cb2ff;
  --delete: #ff8a80; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 5rem }
h1 { font-size: 1.9rem; margin: 0 0 .25rem; letter-spacing: -.01em }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; color: var(--soft); font-weight: 600 }
p { max-width: 46rem } a { color: var(--accent) }
code, pre { font: .875em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: 1rem; overflow-x: auto }
details { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  margin: .5rem 0 }
summary { cursor: pointer; padding: .7rem 1rem; display: flex; gap: .75rem; align-items: baseline;
  flex-wrap: wrap; list-style: none } summary::-webkit-details-marker { display: none }
summary:focus-visible { outline: 2px solid var(--accent); border-radius: .6rem }
.method { font-weight: 700; font-size: .75rem; min-width: 3.6rem; color: var(--post) }
.get { color: var(--get) } .delete { color: var(--delete) }
.what { color: var(--soft); margin-left: auto }
.inside { padding: 0 1rem 1rem; border-top: 1px solid var(--line) }
table { border-collapse: collapse; width: 100%; font-size: .925rem }
td, th { text-align: left; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top } th { color: var(--soft); font-weight: 600 }
@media (max-width: 36rem) { .what { margin-left: 0; width: 100% } }
"""

_FIRST_CALL = """\
from openai import OpenAI

client = OpenAI(base_url="{url}/v1", api_key="ogw_…")
answer = client.chat.completions.create(
    model="…",  # client.models.list() shows what is on offer
    messages=[{{"role": "user", "content": "Hello!"}}],
)
print(answer.choices[0].message.content)"""


def page(document: Mapping[str, Any]) -> str:
    """The whole page; everything that is not ours is escaped."""
    info, url = document["info"], document["servers"][0]["url"]
    paragraphs = "".join(f"<p>{_text(part)}</p>" for part in info["description"].split("\n\n"))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}</title>"
        '<link rel="stylesheet" href="/docs/style.css"></head><body><main>'
        f"<h1>{escape(info['title'])}</h1>{paragraphs}"
        f"<pre><code>{escape(_FIRST_CALL.format(url=url))}</code></pre>"
        f"{_operations(document['paths'])}"
        '<p>The same for programs: <a href="/openapi.json">openapi.json</a>.</p>'
        "</main></body></html>"
    )


def _operations(paths: Mapping[str, Any]) -> str:
    by_tag: dict[str, list[str]] = {}
    for path, methods in paths.items():
        for method, operation in methods.items():
            tag = operation.get("tags", ["Other"])[0]
            by_tag.setdefault(tag, []).append(_operation(path, method, operation))
    return "".join(f"<h2>{escape(tag)}</h2>{''.join(found)}" for tag, found in by_tag.items())


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    inside = (
        f"<p>{_text(operation.get('description', ''))}</p>" if "description" in operation else ""
    )
    inside += _table(
        ("Parameter", "Meaning"),
        [
            (f"<code>{escape(p['name'])}</code>", _text(p.get("description", "")))
            for p in operation.get("parameters", [])
        ],
    )
    inside += _table(
        ("Status", "When"),
        [
            (f"<code>{escape(status)}</code>", _text(answer.get("description", "")))
            for status, answer in operation.get("responses", {}).items()
        ],
    )
    what = _text(operation.get("summary", ""))
    return (
        f'<details><summary><span class="method {method}">{method.upper()}</span>'
        f'<code>{escape(path)}</code><span class="what">{what}</span>'
        f'</summary><div class="inside">{inside}</div></details>'
    )


def _table(heads: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "".join(f"<tr><td>{first}</td><td>{second}</td></tr>" for first, second in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(text: str) -> str:
    """Escaped; what stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if n % 2 else p for n, p in enumerate(parts))

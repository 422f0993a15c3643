"""Health, readiness and metrics in the OpenAPI document."""

from typing import Any


def _open(summary: str, media: str, answers: dict[str, str]) -> dict[str, Any]:
    content = {media: {"schema": {"type": "object" if media.endswith("json") else "string"}}}
    return {
        "get": {
            "tags": ["Status"],
            "summary": summary,
            "security": [],
            "responses": {
                status: {"description": description, "content": content}
                for status, description in answers.items()
            },
        }
    }


OPENAPI: dict[str, Any] = {
    "paths": {
        "/healthz": _open("Alive?", "application/json", {"200": "The worker turns."}),
        "/readyz": _open(
            "Ready for calls?",
            "application/json",
            {"200": "Send calls here.", "503": "Do not; the body says why."},
        ),
        "/metrics": _open("Metrics", "text/plain", {"200": "In Prometheus' text format."}),
    },
}

"""Put the events of streamed transcriptions, speech and images together.

Pure. Each stream ends with an event that has everything, its usage included; of a cut transcription
there are the words so far. https://platform.openai.com/docs/api-reference/audio (and /images)
"""

from collections.abc import Iterable
from typing import Any

from common.sse import Event


def assemble_audio(events: Iterable[Event]) -> dict[str, Any] | None:
    """As `/audio/transcriptions` answers without a stream; of speech, whose sound is not put
    together, its usage. None: no event told anything."""
    words: list[str] = []
    last: dict[str, Any] = {}
    for event in events:
        kind = str(event.data.get("type") or event.name)
        if kind == "transcript.text.delta" and isinstance(event.data.get("delta"), str):
            words.append(event.data["delta"])
        elif kind in ("transcript.text.done", "speech.audio.done") or "error" in event.data:
            last = event.data
    answer = {name: value for name, value in last.items() if name not in ("type", "logprobs")}
    if words and "text" not in answer:
        answer["text"] = "".join(words)
    return answer or None


def assemble_images(events: Iterable[Event]) -> dict[str, Any] | None:
    """As `/images/…` answers without a stream; sketches on the way are left out. None: no event
    told anything."""
    pictures: list[dict[str, Any]] = []
    answer: dict[str, Any] = {}
    for event in events:
        kind = str(event.data.get("type") or event.name)
        if "error" in event.data:
            answer["error"] = event.data["error"]
        elif kind.endswith(".completed"):
            picture = event.data.get("b64_json")
            pictures.append({"b64_json": picture})
            kept = ("usage", "size", "quality", "background", "output_format")
            answer |= {name: event.data[name] for name in kept if name in event.data}
            answer["created"] = event.data.get("created_at")
    return answer | {"data": pictures} if answer else None

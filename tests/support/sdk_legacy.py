"""Run with the openai SDK 0.28: makes the calls it is given on its standard input.

Input: JSON `[{"name", "base_url", "api_key", "method", "arguments"}]`. Output: JSON, from each name
to what came back: `result`, or `error` as the SDK understood it. Imports nothing of ours.
"""

import asyncio
import json
import sys

import openai
import openai.error


def make(call):
    openai.api_base, openai.api_key = call["base_url"], call["api_key"]
    resource, method = call["method"].split(".")
    made = getattr(getattr(openai, resource), method)
    arguments = dict(call["arguments"])
    if method.startswith("a"):
        return asyncio.run(awaited(made, arguments))
    answer = made(**arguments)
    return [plain(part) for part in answer] if arguments.get("stream") else plain(answer)


async def awaited(made, arguments):
    answer = await made(**arguments)
    if arguments.get("stream"):
        return [plain(part) async for part in answer]
    return plain(answer)


def plain(answer):
    return json.loads(json.dumps(answer))


def outcome(call):
    try:
        return {"result": make(call)}
    except openai.error.OpenAIError as error:
        body = error.json_body if isinstance(error.json_body, dict) else {}
        code = body.get("error", {}).get("code")
        told = {"status": error.http_status, "request_id": error.request_id, "text": str(error)}
        return {"error": {"class": type(error).__name__, "code": code, **told}}


if __name__ == "__main__":
    calls = json.load(sys.stdin)
    print(json.dumps({call["name"]: outcome(call) for call in calls}))

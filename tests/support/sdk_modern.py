"""Run with the openai SDK 1.x, 2.x or 3.x: makes the calls it is given on its standard input.

Input: JSON `[{"name", "base_url", "api_key", "method", "arguments", "azure"}]`. Output: JSON, from
each name to what came back: `result`, or `error` as the SDK understood it; and the `request_id`.
Imports nothing of ours: it runs with another SDK than the tests do.
"""

import base64
import functools
import json
import sys

import openai


@functools.cache
def client_for(base_url, api_key, azure):
    if azure:
        return openai.AzureOpenAI(
            api_key=api_key, azure_endpoint=base_url, api_version="2024-10-21", max_retries=0
        )
    return openai.OpenAI(api_key=api_key, base_url=base_url, max_retries=0)


def make(call):
    resource = client_for(call["base_url"], call["api_key"], call["azure"])
    *path, method = call["method"].split(".")
    for name in path:
        resource = getattr(resource, name)
    arguments = dict(call["arguments"])
    if "upload" in arguments:
        arguments["file"] = ("lines.jsonl", arguments.pop("upload").encode())
    raw = getattr(resource.with_raw_response, method)(**arguments)
    request_id = raw.headers.get("x-request-id")
    if "Binary" in type(raw.parse()).__name__:
        return {"result": base64.b64encode(raw.content).decode(), "request_id": request_id}
    parsed = raw.parse()
    if arguments.get("stream"):
        return {"result": [part.model_dump() for part in parsed], "request_id": request_id}
    return {"result": parsed.model_dump(), "request_id": request_id}


def outcome(call):
    try:
        return make(call)
    except openai.APIStatusError as error:
        told = {"status": error.status_code, "code": error.code, "request_id": error.request_id}
        return {"error": {"class": type(error).__name__, **told}}
    except openai.APIError as error:
        return {"error": {"class": type(error).__name__, "code": error.code}}


if __name__ == "__main__":
    calls = json.load(sys.stdin)
    print(json.dumps({call["name"]: outcome(call) for call in calls}))

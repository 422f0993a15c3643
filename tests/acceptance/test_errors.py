"""Failures as each SDK tells them: every one with the class and the code that its users expect."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.auth.tokens import new_token
from tests.support.fake_behaviour import BAD_KEY, HANGING, RESETTING, Behaviour, rate_limited
from tests.support.fake_upstream import FakeUpstream
from tests.support.people import expire
from tests.support.programs import free_port
from tests.support.scene import Scene, scene
from tests.support.sdks import LEGACY, LINES, Call, outcomes

HELLO = [{"role": "user", "content": "Hello!"}]
UPSTREAM = """
[[upstream]]
name = "{name}"
url = "{url}"
models = ["{name}"]
[[upstream.credential]]
label = "only"
key = "sk-{name}"
"""


TROUBLES = {
    "good": Behaviour(),
    "limited": rate_limited("30"),
    "dead": BAD_KEY,
    "gone": Behaviour(),
    "silent": HANGING,
    "reset": RESETTING,
    "cut": Behaviour(cut_after=3),
}


@dataclass(frozen=True)
class Failure:
    """What goes wrong, and how the caller is to be told."""

    status: int
    code: str
    modern: str
    """The class that the SDK raises, from 1.x on."""
    legacy: str
    model: str = "good"
    token: str = "alice"


_NO_TOKEN = partial(Failure, 401, modern="AuthenticationError", legacy="AuthenticationError")
_GONE = partial(Failure, modern="InternalServerError", legacy="APIError")
FAILURES = {
    "foreign token": _NO_TOKEN("invalid_api_key", token="foreign"),
    "unknown token": _NO_TOKEN("invalid_api_key", token="unknown"),
    "expired token": _NO_TOKEN("expired_api_key", token="expired"),
    "revoked token": _NO_TOKEN("revoked_api_key", token="revoked"),
    "blocked user": _NO_TOKEN("user_blocked", token="blocked"),
    "unknown model": Failure(
        404, "model_not_found", "NotFoundError", "InvalidRequestError", "no-such-model"
    ),
    "pool exhausted": Failure(429, "pool_exhausted", "RateLimitError", "RateLimitError", "limited"),
    "no usable key": _GONE(502, "no_usable_credential", model="dead"),
    "upstream gone": _GONE(502, "upstream_unavailable", model="gone"),
    "upstream silent": _GONE(504, "upstream_timeout", model="silent"),
    "upstream reset": _GONE(502, "upstream_unavailable", model="reset"),
}


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A gateway with one upstream for each thing that can be wrong with one."""
    directory = tmp_path_factory.mktemp("troubled")
    settings = {"RETRY_COUNT": "0", "POOL_WAIT_S": "0.2", "FIRST_BYTE_TIMEOUT_S": "2"}
    with scene(directory, settings, partial(_in_trouble, directory)) as scene_:
        yield scene_


def _in_trouble(directory: Path, upstream: FakeUpstream) -> dict[str, str]:
    """Each line of the SDK has upstreams of its own, so that no breaker opens for the next one."""
    closed, toml = f"http://127.0.0.1:{free_port()}/v1", ""
    for line in (*LINES, "curl"):
        for trouble, behaviour in TROUBLES.items():
            name = f"{trouble}-{line}"
            url = closed if trouble == "gone" else upstream.url
            toml += UPSTREAM.format(name=name, url=url)
            upstream.behave(behaviour, key=f"sk-{name}")
    (directory / "gateway.toml").write_text(toml)
    return {}


@pytest.fixture(scope="module")
def tokens(troubled: Scene) -> dict[str, str]:
    """Access tokens, good and bad."""
    told = {name: troubled.token(name) for name in ("alice", "expired", "revoked", "blocked")}
    expire(troubled.gateway.database, "expired")
    [row] = re.findall(r"^(\d+) +revoked ", troubled.gateway.told("token", "list"), re.MULTILINE)
    troubled.gateway.told("token", "revoke", row)
    troubled.gateway.told("user", "block", "blocked")
    return {**told, "foreign": "sk-of-somebody-else", "unknown": new_token()}


@pytest.fixture(scope="module")
def told(troubled: Scene, tokens: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What each line of the SDK made of each failure."""

    def ask(line: str) -> dict[str, Any]:
        method = "ChatCompletion.create" if line == LEGACY else "chat.completions.create"
        call = partial(Call, base_url=troubled.base_url, method=method)
        calls = [
            call(
                name,
                api_key=tokens[failure.token],
                arguments={"model": f"{failure.model}-{line}", "messages": HELLO},
            )
            for name, failure in FAILURES.items()
        ]
        cut = {"model": f"cut-{line}", "messages": HELLO, "stream": True}
        return outcomes(line, [*calls, call("cut", api_key=tokens["alice"], arguments=cut)])

    with ThreadPoolExecutor(len(LINES)) as threads:
        return dict(zip(LINES, threads.map(ask, LINES), strict=True))


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("failure", FAILURES)
def test_each_sdk_raises_its_own_error(
    told: dict[str, dict[str, Any]], line: str, failure: str
) -> None:
    error, expected = told[line][failure]["error"], FAILURES[failure]
    assert error["status"] == expected.status
    assert error["class"] == (expected.legacy if line == LEGACY else expected.modern)
    assert error["code"] == expected.code


@pytest.mark.parametrize("line", LINES)
def test_each_sdk_notices_a_stream_that_broke_off(
    told: dict[str, dict[str, Any]], line: str
) -> None:
    assert told[line]["cut"]["error"]["class"] == "APIError"


def test_a_call_without_a_token_is_401(troubled: Scene) -> None:
    answer = troubled.http().post("/v1/chat/completions", json={"model": "good-curl"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "missing_api_key")


def test_an_exhausted_pool_says_when_to_come_again(troubled: Scene) -> None:
    answer = troubled.http("alice").post(
        "/v1/chat/completions", json={"model": "limited-curl", "messages": HELLO}
    )
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 30


def test_a_stream_that_broke_off_ends_in_an_error_event_and_is_kept(troubled: Scene) -> None:
    answer = troubled.http("alice").post(
        "/v1/chat/completions", json={"model": "cut-curl", "messages": HELLO, "stream": True}
    )
    assert answer.text.endswith("\n\n")
    last = answer.text.rstrip("\n").split("\n\n")[-1]
    assert last.startswith('event: error\ndata: {"error":')
    assert "[DONE]" not in answer.text
    record = troubled.stored.record(answer.headers["x-request-id"])
    assert record.status == "interrupted"
    assert b"Answer" in troubled.stored.answer(answer.headers["x-request-id"])


def test_no_error_tells_a_key(troubled: Scene, told: dict[str, dict[str, Any]]) -> None:
    assert "sk-" not in str(told)
    assert "sk-" not in troubled.gateway.output

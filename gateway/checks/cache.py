"""Whether Redis answers, where there is to be one."""

import redis.asyncio
from redis.exceptions import AuthenticationError, RedisError

from gateway.checks.check import Check
from gateway.supervision.reason import reason

_NAME = "Redis"


async def check_redis(url: str | None) -> Check:
    if url is None:
        return Check(_NAME, "ok", "not configured; each worker asks the database by itself")
    try:
        client = redis.asyncio.from_url(url, socket_timeout=5, socket_connect_timeout=5)
    except ValueError as error:
        return _failed(reason(error), "Correct REDIS_URL: redis://host:6379/0.")
    try:
        answer = await client.info("server")
    except AuthenticationError:
        return _failed("it refuses the password", "Correct REDIS_PASSWORD or REDIS_URL.")
    except (RedisError, OSError) as error:
        return _failed(reason(error), "Start it, or correct REDIS_URL (or REDIS_HOST, …).")
    finally:
        await client.aclose()
    return Check(_NAME, "ok", f"answers, version {answer.get('redis_version', 'unknown')}")


def _failed(detail: str, remedy: str) -> Check:
    return Check(_NAME, "fail", detail, remedy)

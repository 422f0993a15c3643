"""GET /v1/models and /v1/models/{id} of the demo. Calls may name any model all the same."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.errors import UnknownModel

_CREATED = 1_767_225_600  # 2026-01-01: a fixed day, so that lists can be compared
MODELS = ("demo-chat", "demo-chat-mini", "demo-completion", "demo-embedding")


async def list_models(request: Request) -> Response:
    return JSONResponse({"object": "list", "data": [_described(model) for model in MODELS]})


async def retrieve_model(request: Request) -> Response:
    model: str = request.path_params["id"]
    if model not in MODELS:
        raise UnknownModel("The demo has no such model in its list.", param="model")
    return JSONResponse(_described(model))


def _described(model: str) -> dict[str, str | int]:
    return {"id": model, "object": "model", "created": _CREATED, "owned_by": "demo"}

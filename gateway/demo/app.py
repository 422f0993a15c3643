"""The demo's application: an OpenAI-compatible upstream whose answers are made up and say so.

Its base URL ends in `/v1`. Any key is accepted, any model name may be called.
"""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from gateway.demo.chat import Chat
from gateway.demo.completions import Completions
from gateway.demo.embeddings import embeddings
from gateway.demo.models import list_models, retrieve_model
from gateway.demo.responses import Responses
from gateway.errors import GatewayError, MethodNotAllowed, UnknownPath


def create_demo(pace_s: float = 0.02) -> Starlette:
    """`pace_s`: seconds between two words of a stream."""
    routes = [
        Route("/chat/completions", Chat(pace_s).__call__, methods=["POST"]),
        Route("/completions", Completions(pace_s).__call__, methods=["POST"]),
        Route("/responses", Responses(pace_s).__call__, methods=["POST"]),
        Route("/embeddings", embeddings, methods=["POST"]),
        Route("/models", list_models),
        Route("/models/{id:path}", retrieve_model),
    ]
    return Starlette(
        routes=[Mount("/v1", routes=routes)],
        exception_handlers={GatewayError: _refused, HTTPException: _refused},
    )


async def _refused(request: Request, error: Exception) -> Response:
    refusal = error if isinstance(error, GatewayError) else _routing_refusal(error)
    return Response(refusal.body(), refusal.status, media_type="application/json")


def _routing_refusal(error: Exception) -> GatewayError:
    if isinstance(error, HTTPException) and error.status_code == 405:
        return MethodNotAllowed()
    return UnknownPath("The demo has no such address.")

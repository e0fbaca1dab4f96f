"""Routes that look at the key before they read the body, and read it within bounds."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute

from serving.access import bearer, require_key
from serving.bodies import Bodies
from serving.keys import Scope
from serving.parameters import only_known
from serving.paths import require_no_route, slashes_of_ids
from serving.problems import problem_responses

_WITH_BODY = {"POST", "PUT"}
_JSON_BYTES = 2_000_000
"""A thousand events, or as many candidates, with the longest ids; reviews may need several."""


def guarded(scope: Scope, json_bytes: int = _JSON_BYTES) -> type[APIRoute]:
    """The class of a router's routes, which only holders of a scope may call.

    FastAPI reads and parses a body before it asks any dependency, so that whoever has no key could
    still make it read.

    Args:
        scope: that a caller needs.
        json_bytes: longest body of JSON; the setting bounds it too, and files alone.
    """

    class Guarded(APIRoute):
        def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
            dependencies = [Depends(bearer), Depends(only_known)]
            options["dependencies"] = [*dependencies, *(options.get("dependencies") or ())]
            statuses = [400, 401, 403, 429, 503]
            if _WITH_BODY & set(options.get("methods") or ()):
                statuses += [408, 413]
            options["responses"] = {
                **problem_responses(*statuses),
                **(options.get("responses") or {}),
            }
            super().__init__(path, endpoint, **options)

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            answer = super().get_route_handler()
            reads = bool(_WITH_BODY & set(self.methods or ()))
            json = self.body_field is not None

            async def handler(request: Request) -> Response:
                await require_key(request, scope)
                require_no_route(request)
                request.scope["path_params"] = slashes_of_ids(request.path_params)
                if not reads:
                    return await answer(request)
                bodies: Bodies = request.app.state.bodies
                most = min(json_bytes, bodies.most_bytes) if json else bodies.most_bytes
                async with bodies.read(request, most, json) as body:
                    return await answer(_Read(request, body))

            return handler

    return Guarded


def v1_router(tag: str, scope: Scope, *statuses: int, json_bytes: int = _JSON_BYTES) -> APIRouter:
    """A router of guarded routes below `/v1`.

    Args:
        tag: of its routes in OpenAPI.
        scope: that a caller needs.
        statuses: errors of its routes besides those of every guarded one.
        json_bytes: see `guarded`.
    """
    return APIRouter(
        prefix="/v1",
        tags=[tag],
        route_class=guarded(scope, json_bytes),
        responses=problem_responses(*statuses),
    )


class _Read(Request):
    """A request whose body is there."""

    def __init__(self, request: Request, body: bytes) -> None:
        super().__init__(request.scope, request.receive)
        self._body = body

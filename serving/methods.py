"""HEAD wherever GET is, and which methods a path has."""

from fastapi import Request
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


class HeadAsGet:
    """Answers HEAD with what GET would be answered with; the server leaves the body out.

    Args:
        app: what is asked.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # A copy, since the server reads its own to decide whether a body is sent.
        as_get = {**scope, "method": "GET"}
        try:
            await self._app(as_get, receive, send)
        finally:
            scope["route"] = as_get.get("route")


def methods_of(request: Request) -> list[str]:
    """The methods that the path of a request has.

    An id may hold slashes, so that a path may match two routes: the one that is tried first counts,
    as in the description of the calls.
    """
    described = request.app.openapi()["paths"]
    operations = described.get(getattr(request.scope.get("route"), "path_format", None), ())
    methods = {method.upper() for method in operations} or {
        method for method in _METHODS if _has(request, method)
    }
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def _has(request: Request, method: str) -> bool:
    scope = {key: request.scope[key] for key in ("type", "path", "headers")}
    return any(
        # Of files, which are only read.
        method == "GET" if isinstance(route, Mount) else True
        for route in request.app.routes
        if route.matches({**scope, "method": method})[0] == Match.FULL
    )

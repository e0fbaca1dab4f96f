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
        # A copy, since the server looks into its own for whether a body is sent.
        asked = {**scope, "method": "GET"}
        try:
            await self._app(asked, receive, send)
        finally:
            scope["route"] = asked.get("route")


def methods_of(request: Request) -> list[str]:
    """The methods that the path of a request has.

    An id may hold slashes, so that a path may be read as two: that of the route counts which is
    tried first, as in the description of the calls.
    """
    described = request.app.openapi()["paths"]
    own = described.get(getattr(request.scope.get("route"), "path_format", None), ())
    found = {method.upper() for method in own} or {one for one in _METHODS if _has(request, one)}
    return sorted(found | {"HEAD"} if "GET" in found else found)


def _has(request: Request, method: str) -> bool:
    asked = {key: request.scope[key] for key in ("type", "path", "headers")}
    return any(
        # Of files, which are only read.
        method == "GET" if isinstance(route, Mount) else True
        for route in request.app.routes
        if route.matches({**asked, "method": method})[0] == Match.FULL
    )

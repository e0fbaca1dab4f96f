"""No more requests at once than a process can answer."""

from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.problems import document

_ALWAYS = frozenset({"/healthz", "/readyz", "/metrics"})
"""Whoever runs the service must see it while it is crowded."""


class MostAtOnce:
    """Answers 503 while so many requests are being answered.

    Args:
        app: what is asked otherwise.
        most: requests of one process.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most = app, most
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on while there is room."""
        if scope["type"] != "http" or scope["path"] in _ALWAYS:
            await self._app(scope, receive, send)
            return
        if self._now >= self._most:
            answer = document(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Too many requests are being answered; send it again a little later.",
                headers={"Retry-After": "1"},
            )
            await answer(scope, receive, send)
            return
        self._now += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._now -= 1

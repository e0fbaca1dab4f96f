"""Bodies that are too large are refused before they are read whole."""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.problems import document


class BodyLimit:
    """Answers 413 once a body is longer than it may be, whatever its headers say.

    Args:
        app: what is asked otherwise.
        most_bytes: the longest body.
    """

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app, self._most = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, counting what it sends."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._most:
            await self._refuse(scope, receive, send)
            return
        body: list[Message] = []
        length = 0
        while True:
            message = await receive()
            length += len(message.get("body", b""))
            if length > self._most:
                await self._refuse(scope, receive, send)
                return
            body.append(message)
            if message["type"] != "http.request" or not message.get("more_body", False):
                break
        waiting = iter(body)

        async def replay() -> Message:
            return next(waiting, None) or await receive()

        await self._app(scope, replay, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = document(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The body is longer than {self._most} bytes; send it in parts.",
        )
        await answer(scope, receive, send)

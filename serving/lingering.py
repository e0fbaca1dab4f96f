"""The rest of a body that nobody wants is taken in before the connection is closed.

A server that answers early and closes at once resets the connection while the client still sends,
and the client never sees the answer (RFC 9112, 9.6).
"""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SAY_A_BODY = {b"content-length", b"transfer-encoding"}


class Lingering:
    """Sends an answer whole at once, and ends it when the body has come or the time is over.

    Whoever answered is done by then: what waits for a body takes no place among the requests that
    are being answered, and its wait counts in no figure.

    Args:
        app: what is asked.
        seconds: that are waited for the rest of a body.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app, self._seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on and notes whether all of it has been read."""
        if scope["type"] != "http" or not _SAY_A_BODY & {name for name, _ in scope["headers"]}:
            await self._app(scope, receive, send)
            return
        body_left, says_close, end_is_held_back = True, False, False

        async def noted() -> Message:
            nonlocal body_left
            message = await receive()
            body_left = message.get("more_body", False)
            return message

        async def answered(message: Message) -> None:
            nonlocal says_close, end_is_held_back
            if message["type"] == "http.response.start":
                headers = {name.lower(): value for name, value in message.get("headers", ())}
                # Said where nothing more is expected.
                says_close = headers.get(b"connection") == b"close"
            if body_left and not says_close and _ends(message):
                end_is_held_back = True
                message = {**message, "more_body": True}
            await send(message)

        async def drained() -> None:
            # The end of the service is one of the rest of the body, too.
            with suppress(TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(self._seconds):
                    while body_left:
                        await noted()

        await self._app(scope, noted, answered)
        if end_is_held_back:
            await drained()
            await send({"type": "http.response.body"})


def _ends(message: Message) -> bool:
    return message["type"] == "http.response.body" and not message.get("more_body", False)

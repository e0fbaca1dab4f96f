"""Bodies of requests, read within bounds of bytes, of time, and of what a process holds at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Message

from crossmodal.settings import Settings
from serving.problems import Problem

MOST_VALUES = 100_000
"""Values of a JSON body: reading millions of tiny ones would hold up every other request."""

_SMALL = 65_536
"""Bytes of each body that do not count as held, so that events pass while files wait."""

_CLOSE = {"Connection": "close"}


class Bodies:
    """Reads bodies for the routes, once it is known who sends them.

    A part must come within the set seconds, and the whole at the set pace once those seconds are
    over (as in Apache's mod_reqtimeout), so that nobody holds memory by sending a byte at a time.

    Args:
        settings: the bounds.
    """

    def __init__(self, settings: Settings) -> None:
        self.most_bytes = settings.serve_max_body_bytes
        self._seconds = settings.serve_body_seconds
        self._pace = settings.serve_body_pace
        # A file of the greatest length must be possible.
        self._room = max(settings.serve_held_bytes, self.most_bytes)
        # Half of them, so that lists are answered while all the others wait for bodies.
        self._places = max(1, settings.serve_requests_at_once // 2)

    @asynccontextmanager
    async def read(self, request: Request, most_bytes: int, json: bool) -> AsyncIterator[bytes]:
        """The body of a request, which counts as held during the block.

        Args:
            request: whose.
            most_bytes: it may have.
            json: whether it is to be read as JSON.

        Raises:
            Problem: 408 it comes too slowly; 413 it is too long; 503 too much is held already, or
                the service is being stopped.
            ClientDisconnect: the client has gone away.
        """
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > most_bytes:
            raise _too_long(most_bytes)
        if not self._places:
            raise _crowded()
        body = _Body(most_bytes, MOST_VALUES if json else None)
        held = 0
        self._places -= 1
        try:
            started, more = asyncio.get_running_loop().time(), True
            while more:
                message = await self._next(request, started + body.length / self._pace)
                body.add(message.get("body", b""))
                more = message.get("more_body", False)
                held += self._hold(max(0, body.length - _SMALL) - held)
            yield body.whole()
        finally:
            self._places += 1
            self._room += held

    async def _next(self, request: Request, on_pace_until: float) -> Message:
        """The next part; what has come so far keeps the pace until `on_pace_until`."""
        now = asyncio.get_running_loop().time()
        # On pace: the set seconds from now. Behind it: from when the pace was lost, so that a
        # trickle gains next to nothing.
        try:
            async with asyncio.timeout_at(min(now, on_pace_until) + self._seconds):
                message = await request.receive()
        except TimeoutError as error:
            raise Problem(
                HTTPStatus.REQUEST_TIMEOUT,
                "The body came too slowly, and nothing was done; send it again.",
                headers=_CLOSE,
            ) from error
        except asyncio.CancelledError as error:
            # Only the end of the service ends the reading of a request.
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The service is being stopped, and nothing was done; send it again.",
                headers={"Retry-After": "5", **_CLOSE},
            ) from error
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        return message

    def _hold(self, more: int) -> int:
        if more > self._room:
            raise _crowded()
        self._room -= more
        return more


class _Body:
    """What has come of a body.

    Args:
        most_bytes: it may have.
        most_values: it may have; None for any number.
    """

    def __init__(self, most_bytes: int, most_values: int | None) -> None:
        self._most_bytes, self._most_values = most_bytes, most_values
        self._parts: list[bytes] = []
        self._values = 0
        self.length = 0

    def add(self, part: bytes) -> None:
        """Takes in a part.

        Raises:
            Problem: 413, the body is too long now, or has too many values.
        """
        self._parts.append(part)
        self.length += len(part)
        if self.length > self._most_bytes:
            raise _too_long(self._most_bytes)
        if self._most_values is not None:
            # Also those in texts: it is a bound, not a count.
            self._values += part.count(b",") + part.count(b"[") + part.count(b"{")
            if self._values > self._most_values:
                raise Problem(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"The body has more than {self._most_values} values; send it in parts.",
                )

    def whole(self) -> bytes:
        """All parts together, after which they are forgotten."""
        body = b"".join(self._parts)
        self._parts.clear()
        return body


def _too_long(most_bytes: int) -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The body is longer than {most_bytes} bytes; send it in parts, or a smaller file.",
    )


def _crowded() -> Problem:
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Too many bodies are being read; send it again a little later.",
        headers={"Retry-After": "1"},
    )

"""Connections that send the head of a request too slowly, or one without end, are closed.

Uvicorn waits for a head as long as its sender likes, and keeps one of any length.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.problems import document

_MOST_HEAD_BYTES = 65_536
_TOO_LONG = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


class _HeadTooLongError(Exception):
    """Ends the reading of a request."""


class BoundedHeads(HttpToolsProtocol):
    """Uvicorn's protocol with a deadline while no request is being answered.

    It runs from the first byte of a head, or from the beginning of the connection. The rest of a
    body that nobody reads, since its request was refused, must come within it too. Between two
    requests Uvicorn's own limit holds.

    Of a head two numbers are bounded. The bytes parsed bound one that came with its body: the bytes
    received are forgotten once it is whole. The bytes received bound one with a part that never
    ends: that part is not parsed.

    Args:
        head_seconds: until a head must be there.
        options: Uvicorn's own.
    """

    def __init__(self, *, head_seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self._seconds = head_seconds
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head, self._received_bytes, self._parsed_bytes = True, 0, 0
        self._too_long = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for the first head."""
        super().connection_made(transport)
        self._start_deadline()

    def data_received(self, data: bytes) -> None:
        """Reads on, and waits no longer for a head that is whole."""
        if self._in_head:
            self._received_bytes += len(data)
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._cancel_deadline()
        elif self._deadline is None:
            self._start_deadline()
        # Of a head that does not end its parts are not read yet.
        if self._received_bytes > _MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(_TOO_LONG)

    def on_url(self, url: bytes) -> None:
        """Reads a part of an address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Reads one field of a head."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Notes that a head is whole."""
        self._in_head, self._received_bytes, self._parsed_bytes = False, 0, 0
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuses what is no request, or one with too long a head."""
        self._refuse(_TOO_LONG if self._too_long else HTTPStatus.BAD_REQUEST)

    def on_message_complete(self) -> None:
        """Notes that what comes next is a head."""
        self._in_head = True
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Leaves the connection to another protocol."""
        self._cancel_deadline()
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits for nothing any more."""
        self._cancel_deadline()
        super().connection_lost(exc)

    def _count(self, size: int) -> None:
        """Adds to what was read of a head; one that is too long is read no further."""
        self._parsed_bytes += size
        if self._parsed_bytes > _MOST_HEAD_BYTES:
            self._too_long = True
            raise _HeadTooLongError

    def _refuse(self, status: HTTPStatus) -> None:
        details = {
            _TOO_LONG: "The address and the headers are longer than 64 KB together.",
            HTTPStatus.BAD_REQUEST: "This is no request in HTTP/1.1 that can be read.",
        }
        answer = document(status, details[status], headers={"connection": "close"})
        lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
        lines += [name + b": " + value for name, value in answer.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(self._seconds, self._late)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.close()

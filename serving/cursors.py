"""Where a list goes on: what a caller has been shown of it, in a token that they send back.

A token holds a mark of every item that was shown, so that a page never repeats one, whatever has
changed since the one before it: the user, the catalogue or the champion. It holds nothing secret
and is not signed: with another token a caller would only get other pages of their own list.
"""

import base64
import binascii
import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from models.data import Bools

MOST_SHOWN = 500
"""Items of all pages of a list together."""

_FORMAT = b"\x01"
_OF, _CHECK, _MARK = 8, 4, 6
"""Bytes of the list's own mark, of a checksum, and of an item's mark, however long its id is. Among
a million items one looks like one of 500 that were shown in one list of 500,000."""

_HEAD = len(_FORMAT) + _OF + _CHECK
LONGEST = -(-(_HEAD + MOST_SHOWN * _MARK) // 3) * 4
"""Characters of a token at most."""


class CursorError(ValueError):
    """A token that cannot be used; the message says why, and the way out."""


@dataclass(frozen=True)
class Cursor:
    """What was shown of one list.

    Attributes:
        of: mark of the list.
        marks: of the items, in the order they were shown in.
    """

    of: bytes
    marks: tuple[bytes, ...] = ()

    @classmethod
    def begin(cls, *wishes: object) -> Self:
        """At the start of a list: nothing has been shown.

        Args:
            wishes: what makes it this list and no other, as JSON can say it.
        """
        # -0.0 is the 0.0 of a remembered list, and json writes them otherwise.
        plain = [wish + 0.0 if isinstance(wish, float) else wish for wish in wishes]
        content = json.dumps(plain, separators=(",", ":")).encode()
        return cls(hashlib.blake2b(content, digest_size=_OF).digest())

    def at(self, token: str | None) -> Self:
        """Where a token says; at the start without one.

        Raises:
            CursorError: it is damaged, or of another list.
        """
        if token is None:
            return self
        of, marks = _read(token)
        if of != self.of:
            raise CursorError(
                "It is of another list: ask as its first page was asked for, or leave it out."
            )
        return type(self)(of, marks)

    def beyond(self, item_ids: Sequence[str]) -> Self:
        """The same after some more items were shown."""
        return type(self)(self.of, (*self.marks, *map(_mark, item_ids)))

    def unseen(self, item_ids: Sequence[str]) -> Bools:
        """Which items (n,) have not been shown."""
        shown = frozenset(self.marks)
        return np.array([_mark(item_id) not in shown for item_id in item_ids], dtype=bool)

    def room(self, k: int) -> int:
        """How many of k items the next page may have."""
        return min(k, MOST_SHOWN - len(self.marks))

    def token(self) -> str | None:
        """What asks for the next page; None where a list ends."""
        if len(self.marks) >= MOST_SHOWN:
            return None
        content = self.of + b"".join(self.marks)
        return base64.urlsafe_b64encode(_FORMAT + _checksum(content) + content).decode().rstrip("=")


def _read(token: str) -> tuple[bytes, tuple[bytes, ...]]:
    try:
        decoded = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise CursorError(_damaged()) from error
    content = decoded[len(_FORMAT) + _CHECK :]
    begins = _FORMAT + _checksum(content)
    if len(token) > LONGEST or len(content) < _OF or not decoded.startswith(begins):
        raise CursorError(_damaged())
    of, marks = content[:_OF], content[_OF:]
    if len(marks) % _MARK:
        raise CursorError(_damaged())
    return of, tuple(marks[at : at + _MARK] for at in range(0, len(marks), _MARK))


def _damaged() -> str:
    return "It is none that the service gave, or cut: send it as it came, or leave it out."


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(_CHECK)


def _mark(item_id: str) -> bytes:
    return hashlib.blake2b(item_id.encode(), digest_size=_MARK).digest()

"""Instants as apps send them: text with a time and a zone, read in one way or not at all."""

import re
import time
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

_MICROSECONDS = 1_000_000
_CLOCKS_APART = 300 * _MICROSECONDS
_EXAMPLE = "2026-01-31T18:00:00Z"
_BARE_NUMBER = re.compile(r"\s*[-+]?[\d.]+\s*")
_DATE_ALONE = re.compile(r"\s*\d{4}-\d{2}-\d{2}\s*")


def _one_way_to_read(sent: Any) -> Any:
    """Refuses what a parser would read, but not certainly as it was meant."""
    if sent is None or isinstance(sent, datetime):
        return sent
    if not isinstance(sent, str):
        raise ValueError(f"An instant is text, such as {_EXAMPLE}.")
    if _BARE_NUMBER.fullmatch(sent):
        raise ValueError(
            "A bare number does not say whether it counts seconds or milliseconds: "
            f"write the instant as {_EXAMPLE}."
        )
    if _DATE_ALONE.fullmatch(sent):
        raise ValueError(
            f"A date alone is no instant: add a time and a zone, such as {sent.strip()}T00:00:00Z."
        )
    return sent


def _with_zone(read: datetime | None) -> datetime | None:
    if read is not None and read.utcoffset() is None:
        raise ValueError(
            "The time has no zone, and none is guessed: add Z for UTC or an offset such as +02:00, "
            f"as in {read.isoformat()}Z."
        )
    return read


Instant = Annotated[datetime | None, BeforeValidator(_one_way_to_read), AfterValidator(_with_zone)]


def event_instant(timestamp: datetime | None) -> int:
    """When an event happened, in UTC microseconds; now if the app does not say.

    Raises:
        ValueError: the time has no zone, or lies before 1970 or in the future.
    """
    now = time.time_ns() // 1000
    if timestamp is None:
        return now
    if timestamp.tzinfo is None:
        raise ValueError("The time has no zone; add one, such as Z.")
    instant = round(timestamp.timestamp() * _MICROSECONDS)
    if not 0 <= instant <= now + _CLOCKS_APART:
        raise ValueError(
            "The time is before 1970 or more than five minutes in the future: look at the clock, "
            "and at how it was made of a number (seconds or milliseconds)."
        )
    return instant

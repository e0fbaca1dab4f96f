"""When a request is sent again, and after how long.

Every call may be repeated: a list only reads, an event counts once by its id, a put is known by its
key, and what is deleted or given a picture twice is as after the first time.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from tenacity import RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential
from tenacity.stop import stop_base

_AGAIN = frozenset({408, 429, 502, 503, 504})
_FIRST_SECONDS, _MOST_JITTER = 0.1, 5.0
# Faults of the address or of what is sent, which the next try would have as well.
_FOR_GOOD = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


class Unanswered(Exception):
    """An answer that asks for another try.

    Args:
        response: of the service.
    """

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def require_answer(response: httpx.Response) -> httpx.Response:
    """The response.

    Raises:
        Unanswered: it asks for another try.
    """
    if response.status_code in _AGAIN:
        raise Unanswered(response)
    return response


@dataclass(frozen=True)
class Policy:
    """How often a call is tried, and how long it waits for the next try.

    Attributes:
        attempts: most tries of a call, at least one.
        patience: most seconds that a call waits between its tries, in all.

    Raises:
        ValueError: there is no try, or less than no time to wait.
    """

    attempts: int
    patience: float

    def __post_init__(self) -> None:
        """Refuses what would never ask."""
        if self.attempts < 1:
            raise ValueError(f"attempts is {self.attempts}; a call takes at least one.")
        if not self.patience >= 0:
            raise ValueError(f"patience is {self.patience}; give seconds, 0 or more.")

    def options(self) -> dict[str, Any]:
        """What tenacity is given."""
        return {
            "retry": retry_if_exception(_may_pass),
            "stop": stop_after_attempt(self.attempts) | _OutOfPatience(self.patience),
            "wait": self._wait,
            "reraise": True,
        }

    def _wait(self, state: RetryCallState) -> float:
        """With jitter, so that clients do not return all at once; never sooner than requested."""
        error = state.outcome.exception() if state.outcome else None
        requested = asked_to_wait(error.response) if isinstance(error, Unanswered) else None
        jitter = wait_random_exponential(multiplier=_FIRST_SECONDS, max=_MOST_JITTER)(state)
        return max(
            requested or 0.0, min((requested or 0.0) + jitter, self.patience - state.idle_for)
        )


class _OutOfPatience(stop_base):
    """Ends a call rather than let it wait longer than it may."""

    def __init__(self, patience: float) -> None:
        self._patience = patience

    def __call__(self, state: RetryCallState) -> bool:
        return state.upcoming_sleep > self._patience - state.idle_for


def asked_to_wait(response: httpx.Response) -> float | None:
    """Seconds until the instant that `Retry-After` names; None where it names none.

    A date is compared with the answer's own, since the clocks of two machines differ.
    """
    header = response.headers.get("Retry-After", "").strip()
    if header.isascii() and header.isdecimal():
        return float(header)
    then = _date(header)
    if then is None:
        return None
    now = _date(response.headers.get("Date", "")) or datetime.now(UTC)
    return max((then - now).total_seconds(), 0.0)


def _may_pass(error: BaseException) -> bool:
    passing = isinstance(error, Unanswered | httpx.TransportError)
    return passing and not isinstance(error, _FOR_GOOD)


def _date(header: str) -> datetime | None:
    """An HTTP date; None where the header is not one."""
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return None
    # A date in the oldest form has no zone; HTTP's are UTC.
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)

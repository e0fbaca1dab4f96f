"""When a request is sent again, and after how long."""

from typing import Any

import httpx
from tenacity import RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

_AGAIN = frozenset({429, 502, 503, 504})
_FIRST_SECONDS, _MOST_SECONDS = 0.1, 5.0


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


def policy(attempts: int) -> dict[str, Any]:
    """What tenacity is told: every call may be repeated, since an event counts once
    and an item is as it was put last.

    Args:
        attempts: most tries of a call.
    """
    again = (Unanswered, httpx.TransportError)
    return {
        "retry": retry_if_exception(lambda error: isinstance(error, again)),
        "stop": stop_after_attempt(attempts),
        "wait": _wait,
        "reraise": True,
    }


def _wait(state: RetryCallState) -> float:
    """With jitter, so that clients do not come back together; never sooner than was asked for."""
    jitter = wait_random_exponential(multiplier=_FIRST_SECONDS, max=_MOST_SECONDS)(state)
    error = state.outcome.exception() if state.outcome else None
    asked = error.response.headers.get("Retry-After", "0") if isinstance(error, Unanswered) else "0"
    return jitter + (min(float(asked), _MOST_SECONDS) if asked.isdigit() else 0.0)

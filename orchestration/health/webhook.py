"""Posts an alert to an address that must stay secret."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from pydantic import SecretStr
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_exponential
from tenacity.wait import wait_base

logger = logging.getLogger(__name__)

_TRIES = 3
_PAUSE = wait_exponential(multiplier=0.5, max=2)
_PASSING_STATES = frozenset({408, 425, 429})
_FAULTS = (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError, ImportError)
"""What a post may end in: besides the answer, a name of a host, a proxy or a certificate of the
environment that cannot be used."""


@dataclass(frozen=True)
class Webhook:
    """Where alerts are posted.

    Attributes:
        url: the secret address.
        seconds: time that a try may take.
        pause: the wait before the next one.
    """

    url: SecretStr
    seconds: float
    pause: wait_base = _PAUSE

    def delivered(self, content: Mapping[str, str | None]) -> bool:
        """Posts the content as JSON; if that fails, says so in the log and returns False."""
        attempt = retry(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(_TRIES),
            wait=self.pause,
            reraise=True,
        )
        try:
            attempt(self._post)(content)
        except _FAULTS as error:
            # Not what the error says: that may name the address.
            logger.error("CROSSMODAL_ALERT_WEBHOOK_URL did not take an alert (%s).", _kind(error))
            return False
        return True

    def _post(self, content: Mapping[str, str | None]) -> None:
        with _unlogged(), httpx.Client(timeout=self.seconds) as client:
            client.post(self.url.get_secret_value(), json=content).raise_for_status()


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keeps httpx from logging the address of each request."""

    def nothing(record: logging.LogRecord) -> bool:
        return False

    log = logging.getLogger("httpx")
    log.addFilter(nothing)
    try:
        yield
    finally:
        log.removeFilter(nothing)


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return status >= httpx.codes.INTERNAL_SERVER_ERROR or status in _PASSING_STATES
    return isinstance(error, httpx.TransportError) and not isinstance(
        error, httpx.UnsupportedProtocol
    )


def _kind(error: Exception) -> str:
    """What went wrong, without the address."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"status {error.response.status_code}"
    return type(error).__name__

"""How long what is left of a run takes at most, going by earlier runs of the same home."""

import time
from collections.abc import Mapping
from datetime import timedelta

from orchestration.spans import span


class Remaining:
    """The assets that a run has not come to yet, each with the time that it last took to make.

    What is unchanged is kept and takes no time, which shows only when the run comes to it. So the
    time left is a bound, and none is known in a home that has made nothing.

    Args:
        seconds: by asset, of those that the run makes or keeps.
    """

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self._seconds = dict(seconds)
        self._since = time.monotonic()

    def passed(self, asset: str) -> None:
        """An asset was made or kept."""
        if self._seconds.pop(asset, None) is not None:
            self._since = time.monotonic()

    def said(self) -> str:
        """The time left, such as "at most 2 min left by earlier runs"; empty if none is known."""
        # Which asset is being made is not known: the longest may be.
        longest = max(self._seconds.values(), default=0.0)
        gone = time.monotonic() - self._since
        if gone > longest:
            # It takes longer than earlier runs took, as with much more data: they bound nothing.
            return ""
        left = timedelta(seconds=sum(self._seconds.values()) - gone)
        return f"at most {span(left)} left by earlier runs"

"""How long what is left of a run takes at most, going by earlier runs of the same home."""

import time
from collections.abc import Mapping
from datetime import timedelta

from orchestration.spans import span


class Remaining:
    """The tables that a run has not come to yet, each with the time it last took to make.

    What is unchanged is kept and takes no time, which shows only when the run comes to it: so the
    time left is a bound, and none is known in a home that has made nothing.
    """

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self._seconds = dict(seconds)
        self._since = time.monotonic()

    def passed(self, table: str) -> None:
        """A table was made or kept."""
        if self._seconds.pop(table, None) is not None:
            self._since = time.monotonic()

    def said(self) -> str:
        """The time left, such as "at most 2 min left by earlier runs"; empty if none is known."""
        if not self._seconds:
            return ""
        # The table that is being made now is not known by name, and took at most the longest.
        gone = min(time.monotonic() - self._since, max(self._seconds.values()))
        left = timedelta(seconds=sum(self._seconds.values()) - gone)
        return f"at most {span(left)} left by earlier runs"

"""Lengths of time in words."""

from datetime import timedelta


def span(length: timedelta) -> str:
    """A length of time as people say it, in its largest unit that is not less than two."""
    seconds = max(length.total_seconds(), 0)
    for unit, one in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * one:
            return f"{seconds / one:.0f} {unit}"
    return f"{seconds:.0f} s"

"""Which ids a path can say: one rule for every route, and for the ids that bodies hold."""

import re

_CONTROLS = "\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029"
IN_PRINT = f"^[^{_CONTROLS}]+$"
"""No control characters and no line breaks: they would be read as something else in a path."""

_NOT_IN_PRINT = re.compile(f"[{_CONTROLS}]")
_DOTS = {".", ".."}


def no_dot_segments(text: str) -> str:
    """The text itself, where no part of it between slashes is . or ..

    Raises:
        ValueError: one is. Browsers and proxies take such parts out of a path before they send it,
            and ask for something else.
    """
    if _DOTS.intersection(text.split("/")):
        raise ValueError("No part between slashes may be . or ..: paths are sent without them.")
    return text


def in_print(text: str) -> str:
    """The text itself, where it has no control characters and no line breaks.

    Raises:
        ValueError: it has some.
    """
    if _NOT_IN_PRINT.search(text):
        raise ValueError("It may hold no control characters and no line breaks.")
    return text

"""Explanations in words."""

import numpy as np
from numpy.typing import NDArray

from models.explanation import BEHAVIOUR, POPULARITY, Explanation

PLAIN = "what most people chose"
"""The reason of what nothing of its own speaks for."""

_WORDS = {
    "text": "its description",
    "image": "its picture",
    "audio": "its sound",
    "reviews": "what people wrote about it",
    "attributes": "its categories and figures",
    POPULARITY: PLAIN,
}
_NAMED_PAST_ITEMS = 2
_WHOLE = 0.995
"""A share that is written as 100 %."""


def reasons(explanation: Explanation, titles: NDArray[np.object_]) -> list[str]:
    """One sentence for each of the n_users × k items, row by row.

    Args:
        explanation: of the items.
        titles: (n_items,) what people call an item.
    """
    # As lists: a row is a few numbers, of which Python itself finds the largest sooner.
    shares = explanation.shares.reshape(-1, len(explanation.parts)).tolist()
    past = explanation.past_items.reshape(len(shares), -1)[:, :_NAMED_PAST_ITEMS].tolist()
    nearest = explanation.nearest
    stands = [-1] * len(shares) if nearest is None else nearest.ravel().tolist()
    return [
        _sentence(explanation.parts, own, [titles[item] for item in named if item >= 0], near)
        for own, named, near in zip(
            shares,
            past,
            (titles[item] if item >= 0 else None for item in stands),
            strict=True,
        )
    ]


def _sentence(
    parts: tuple[str, ...], shares: list[float], past: list[str], near: str | None
) -> str:
    own = _of_known(parts, shares, " and ".join(f"“{title}”" for title in past))
    return own if near is None else f"its nearness to “{near}”, as it is new: {own}"


def _of_known(parts: tuple[str, ...], shares: list[float], past: str) -> str:
    """The strongest part with its share, and the past items."""
    share = max(shares, default=0.0)
    if share <= 0:
        return f"goes with {past}" if past else PLAIN
    part = parts[shares.index(share)]
    if part == BEHAVIOUR:
        told = f"what people who chose {past} chose as well" if past else PLAIN
        return told if share > _WHOLE or not past else f"{told} ({share:.0%})"
    if part == POPULARITY and share > _WHOLE:
        return PLAIN
    told = f"{_WORDS[part]} ({share:.0%})"
    return f"{told}; goes with {past}" if past else told

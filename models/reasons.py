"""Explanations in words."""

import numpy as np
from numpy.typing import NDArray

from crossmodal.modalities import modality_of
from models.data import Bools
from models.explanation import BEHAVIOUR, POPULARITY, Explanation

PLAIN = "what most people chose"
"""The reason of what nothing of its own speaks for."""

UNCHOSEN = "hardly known yet"
"""The same of what nobody has chosen so far."""

_NAMED_PAST_ITEMS = 2
_WHOLE = 0.995
"""A share that is written as 100 %."""


def reasons(
    explanation: Explanation, titles: NDArray[np.object_], unchosen: Bools | None = None
) -> list[str]:
    """One sentence for each of the n_users × k items, row by row.

    Args:
        explanation: of the items.
        titles: (n_items,) what people call an item.
        unchosen: (n_users, k) which of the items have no event; none by default.
    """
    # As lists: Python finds the largest of a few numbers faster than NumPy.
    shares = explanation.shares.reshape(-1, len(explanation.parts)).tolist()
    most = explanation.past_items.shape[-1]
    past = explanation.past_items.reshape(-1, most)[:, :_NAMED_PAST_ITEMS].tolist()
    nearest = explanation.nearest
    stands = [-1] * len(shares) if nearest is None else nearest.ravel().tolist()
    new = [False] * len(shares) if unchosen is None else unchosen.ravel().tolist()
    return [
        _sentence(
            explanation.parts,
            item_shares,
            [titles[item] for item in named if item >= 0],
            titles[near] if near >= 0 else None,
            # For an item that the model does not know, the sentence speaks of one that it knows.
            UNCHOSEN if is_new and near < 0 else PLAIN,
        )
        for item_shares, named, near, is_new in zip(shares, past, stands, new, strict=True)
    ]


def _sentence(
    parts: tuple[str, ...],
    shares: list[float],
    past: list[str],
    near: str | None,
    plain: str,
) -> str:
    sentence = _of_known(parts, shares, " and ".join(f"“{title}”" for title in past), plain)
    return sentence if near is None else f"its nearness to “{near}”, as it is new: {sentence}"


def _of_known(parts: tuple[str, ...], shares: list[float], past: str, plain: str) -> str:
    """The strongest part with its share, and the past items; `plain` where nothing is its own."""
    share = max(shares, default=0.0)
    if share <= 0:
        return f"goes with {past}" if past else plain
    part = parts[shares.index(share)]
    if part == BEHAVIOUR:
        sentence = f"what people who chose {past} chose as well" if past else plain
        return sentence if share > _WHOLE or not past else f"{sentence} ({share:.0%})"
    if part == POPULARITY and share > _WHOLE:
        return plain
    sentence = f"{plain if part == POPULARITY else modality_of(part).phrase} ({share:.0%})"
    return f"{sentence}; goes with {past}" if past else sentence

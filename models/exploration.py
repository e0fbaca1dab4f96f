"""Places in a list for items of which little is known, so that something becomes known of them."""

import numpy as np

from models.data import Floats, Ints, Longs


def with_places(
    items: Ints, scores: Floats, uncertain: tuple[Ints, Floats], places: int, kept: int
) -> tuple[Ints, Floats]:
    """A list in which at least so many items are uncertain ones, as far as there are any.

    The first `kept` stay. Of those below, the last certain ones make room; what takes their places
    stands at the end.

    Args:
        items: (k,) the list, best first.
        scores: (k,) theirs.
        uncertain: items (m,) that are uncertain, those to be shown first in front, and their
            scores (m,); some may be in the list.
        places: uncertain items of the list at least.
        kept: how many items of the list no place is taken from.
    """
    others, own = uncertain
    is_uncertain = np.isin(items, others)
    left = ~np.isin(others, items)
    missing = min(places - int(is_uncertain.sum()), int(left.sum()))
    below = np.flatnonzero(~is_uncertain & (np.arange(len(items)) >= kept))
    taken = below[max(len(below) - missing, 0) :] if missing > 0 else below[:0]
    stays = np.ones(len(items), dtype=bool)
    stays[taken] = False
    return (
        np.concatenate([items[stays], others[left][: len(taken)]]).astype(np.int32),
        np.concatenate([scores[stays], own[left][: len(taken)]]).astype(np.float32),
    )


def upper_bounds(scores: Floats, impressions: Longs) -> Floats:
    """How good items (n,) may be: their scores, and more on top the less they were shown.

    score + σ / √(1 + impressions), with σ the spread of the scores, since these are of any scale
    (after UCB1, Auer et al. 2002): what was shown often and chosen by nobody makes room.
    """
    spread = float(scores.std()) if len(scores) else 0.0
    found: Floats = scores + np.float32(spread) / np.sqrt(1 + impressions).astype(np.float32)
    return found

"""Places in a list for items of which little is known, so that something becomes known of them."""

import numpy as np

from models.data import Floats, Ints, Longs


def with_places(
    items: Ints, scores: Floats, uncertain: tuple[Ints, Floats], places: int, n_kept: int
) -> tuple[Ints, Floats]:
    """A list with at least `places` uncertain items, if there are as many.

    The first `n_kept` stay. Of those below, the last certain ones make room; the items that replace
    them stand at the end.

    Args:
        items: (k,) the list, best first.
        scores: (k,) theirs.
        uncertain: uncertain items (m,), in the order to show them, and their scores (m,); some may
            be in the list.
        places: the least number of uncertain items.
        n_kept: how many items at the start of the list cannot be replaced.
    """
    others, other_scores = uncertain
    is_uncertain = np.isin(items, others)
    left = ~np.isin(others, items)
    missing = min(places - int(is_uncertain.sum()), int(left.sum()))
    below = np.flatnonzero(~is_uncertain & (np.arange(len(items)) >= n_kept))
    taken = below[max(len(below) - missing, 0) :] if missing > 0 else below[:0]
    stays = np.ones(len(items), dtype=bool)
    stays[taken] = False
    return (
        np.concatenate([items[stays], others[left][: len(taken)]]).astype(np.int32),
        np.concatenate([scores[stays], other_scores[left][: len(taken)]]).astype(np.float32),
    )


def upper_bounds(scores: Floats, impressions: Longs) -> Floats:
    """How good items (n,) may be: their scores plus the more, the less they were shown.

    score + σ / √(1 + impressions), with σ the spread of the scores, which may be on any scale
    (after UCB1, Auer et al. 2002): an item that was shown often and never chosen makes room.
    """
    spread = float(scores.std()) if len(scores) else 0.0
    bounds: Floats = scores + np.float32(spread) / np.sqrt(1 + impressions).astype(np.float32)
    return bounds

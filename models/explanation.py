"""What moved some scores: the answer of every model that is asked why."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.data import Bools, Floats, Ints

BEHAVIOUR = "behaviour"
"""The part of a score that comes from who did what: the history, and what others did with the item.
"""

POPULARITY = "popularity"
"""The part of a score that is the same for everyone: how much an item is chosen at all."""

PAST_ITEMS = 3
"""Past items that an explanation names at most."""

_LEAST = 1e-5
"""Of the size of a score: what is less is rounding."""


@dataclass(frozen=True)
class Explanation:
    """What moved the scores of k items per user.

    Attributes:
        parts: names of the m things that a score may come from: modalities, `BEHAVIOUR`,
            `POPULARITY`.
        shares: (n_users, k, m) each part's share in `moved`; a row sums to 1, or is all zero where
            no part raised the score.
        moved: (n_users, k) in units of the score: a share times this is what the part brought.
        past_items: (n_users, k, 3) the past items without which the score would lose most, the
            strongest first; -1 where fewer brought something.
        past_weights: (n_users, k, 3) the score they brought; 0 where there is none.
        nearest: (n_users, k) the known item in whose place an item was explained that the model
            does not know itself, -1 for the others; None where the model knows all.
    """

    parts: tuple[str, ...]
    shares: Floats
    moved: Floats
    past_items: Ints
    past_weights: Floats
    nearest: Ints | None = None


def shares_of(brought: Floats) -> tuple[Floats, Floats]:
    """Shares (…, m), and the sums (…) they are shares of, of what m parts brought (…, m).

    A part that lowered the score has no share.
    """
    raised = np.maximum(brought, 0)
    moved = raised.sum(axis=-1)
    shares = np.divide(
        raised, moved[..., None], out=np.zeros_like(raised), where=moved[..., None] > 0
    )
    return shares.astype(np.float32), moved.astype(np.float32)


def strongest(brought: Floats, items: Ints) -> tuple[Ints, Floats]:
    """The past items (l,) that added most (k, l) to k scores: items and what they added (k, 3)."""
    named = np.full((len(brought), PAST_ITEMS), -1, dtype=np.int32)
    weights = np.zeros((len(brought), PAST_ITEMS), dtype=np.float32)
    order = np.argsort(-brought, axis=1, kind="stable")[:, :PAST_ITEMS]
    most = np.take_along_axis(brought, order, axis=1)
    positive = most > 0
    named[:, : order.shape[1]][positive] = items[order[positive]]
    weights[:, : order.shape[1]][positive] = most[positive]
    return named, weights


def less(whole: Floats, rest: Floats) -> Floats:
    """What scores lost (…) that became `rest` (…), 0 where it is but rounding.

    A score that can no longer be given (-inf) is lost altogether; without one, nothing is lost.
    """
    known: Bools = np.isfinite(whole)
    whole = np.where(known, whole, 0)
    rest = np.where(np.isfinite(rest), rest, 0)
    lost = np.where(known, whole - rest, 0)
    # Each score by its own size: how long a list is must not change the reason of an item.
    scale = np.maximum(np.abs(whole), np.abs(rest))
    return np.where(np.abs(lost) > _LEAST * scale, lost, 0).astype(np.float32)


def stacked(rows: Sequence[Explanation], parts: tuple[str, ...], k: int) -> Explanation:
    """Explanations of one user each as one of all; (0, k) where there is nobody.

    Args:
        rows: of one user each, with the same parts.
        parts: theirs.
        k: items per user.
    """
    if not rows:
        return Explanation(
            parts,
            np.zeros((0, k, len(parts)), dtype=np.float32),
            np.zeros((0, k), dtype=np.float32),
            np.zeros((0, k, PAST_ITEMS), dtype=np.int32),
            np.zeros((0, k, PAST_ITEMS), dtype=np.float32),
        )
    return Explanation(
        parts,
        np.concatenate([row.shares for row in rows]),
        np.concatenate([row.moved for row in rows]),
        np.concatenate([row.past_items for row in rows]),
        np.concatenate([row.past_weights for row in rows]),
    )

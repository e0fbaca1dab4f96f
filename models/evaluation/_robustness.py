"""How a model bears that more and more items lose a modality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data import Bools, TokenTable
from models.evaluation._measure import Measure
from models.protocol import Maskable

Values = NDArray[np.float64]

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the items that lose a modality, as every curve has them."""

_STREAM = 1
"""Draws of their own: with those of `cold_item`, which permutes the same items, its cold ones would
be the first to lose."""


@dataclass(frozen=True)
class MissingCurve:
    """What a model is worth to each user as items lose one modality at test time.

    Attributes:
        modality: what they lose.
        shares: how many of the items that had it have lost it.
        values: (len(shares), n_users).
    """

    modality: str
    shares: tuple[float, ...]
    values: Values


def missing_curve(
    model: Maskable,
    tokens: Mapping[str, TokenTable],
    modality: str,
    measure: Measure,
    *,
    shares: Sequence[float] = SHARES,
    seeds: Sequence[int] = (42, 43, 44, 45, 46),
) -> MissingCurve:
    """Measures a fitted model as a growing share of the items loses a modality.

    A value is a user's mean over the draws of who loses it: which popular item is among them moves
    a single draw more than the modality may be worth.

    Args:
        model: fitted, and not fitted again.
        tokens: of the model's items; the other modalities stay.
        modality: which one is lost.
        measure: from `user_measure`, or any other function of a model.
        shares: from 0 to 1.
        seeds: of the draws; in each, who has lost it at one share has lost it at every larger one.

    Raises:
        ValueError: no item has the modality.
    """
    if modality not in tokens:
        raise ValueError(
            f"No item has {modality!r} tokens to lose; choose from "
            f"{', '.join(tokens) or 'none: the dataset has no tokens'}."
        )
    table = tokens[modality]

    def value(share: float) -> Values:
        draws = np.unique([losers(table, share, seed) for seed in seeds], axis=0)
        left = [{**tokens, modality: table.without(lost)} for lost in draws]
        mean: Values = np.stack([measure(model.masked(rest)) for rest in left]).mean(axis=0)
        return mean

    return MissingCurve(modality, tuple(shares), np.stack([value(share) for share in shares]))


def losers(table: TokenTable, share: float, seed: int) -> Bools:
    """Which items (n_items,) lose their tokens: a share of those that have any, nested in shares.

    Raises:
        ValueError: the share is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"A share of {share} of the items cannot be lost; choose from 0 to 1.")
    drawn = np.random.default_rng((seed, _STREAM)).permutation(table.n_items)
    has = np.zeros(table.n_items, dtype=bool)
    has[table.items] = True
    drawn = drawn[has[drawn]]
    lost = np.zeros(table.n_items, dtype=bool)
    lost[drawn[: round(share * len(drawn))]] = True
    return lost

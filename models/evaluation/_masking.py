"""Modalities hidden at test time: what a fitted model still does without them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from models.data import TokenTable
from models.evaluation._measure import Measure
from models.protocol import Maskable

Values = NDArray[np.float64]


@dataclass(frozen=True)
class SubsetValues:
    """What a model is worth to each user with every subset of its modalities.

    Attributes:
        modalities: the m names that a subset keeps or leaves out.
        values: (2^m, n_users); row r is of the subset that keeps modality j where bit j of r is 1,
            so that row 0 keeps none and the last row all.
    """

    modalities: tuple[str, ...]
    values: Values

    def of(self, *modalities: str) -> Values:
        """Values (n_users,) of the subset that keeps these modalities.

        Raises:
            ValueError: a name is not among the modalities.
        """
        row = sum(1 << self.modalities.index(name) for name in set(modalities))
        values: Values = self.values[row]
        return values

    def subsets(self) -> Iterator[tuple[str, ...]]:
        """The names that each row keeps, row by row."""
        for row in range(len(self.values)):
            yield tuple(compress(self.modalities, _bits(row, len(self.modalities))))


def subset_values(
    model: Maskable,
    tokens: Mapping[str, TokenTable],
    modalities: Sequence[str],
    measure: Measure,
) -> SubsetValues:
    """Measures a model under each of the 2^m subsets of m modalities, without fitting it again.

    What a subset leaves out is absent for every item, including those of the histories. A modality
    that no item has changes nothing, so nothing is measured twice for it.

    Args:
        model: fitted.
        tokens: of the model's items; those of modalities that are not named always stay.
        modalities: m distinct names.
        measure: from `user_measure`, or any other function of a model.
    """
    always = {name: table for name, table in tokens.items() if name not in modalities}
    measured: dict[tuple[str, ...], Values] = {}

    def value(row: int) -> Values:
        subset = compress(modalities, _bits(row, len(modalities)))
        there = tuple(name for name in subset if name in tokens)
        if there not in measured:
            measured[there] = measure(model.masked({**always, **{n: tokens[n] for n in there}}))
        return measured[there]

    rows = [value(row) for row in range(2 ** len(modalities))]
    return SubsetValues(tuple(modalities), np.stack(rows))


def _bits(row: int, m: int) -> list[int]:
    return [row >> place & 1 for place in range(m)]

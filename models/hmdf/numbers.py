"""An item's numbers, such as its year, next to those of what the user did."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.data import Floats, Histories, Ints, Longs, TokenTable
from models.extending import placed
from models.hmdf._statistics_kernels import describe_past_numbers

_MODALITY = "attributes"
_MOST_FLAG_VALUES = 2
_MOST_NUMBERS = 8
_FIGURES = ("itself", "above_mean_of_history", "above_largest_of_history")


@dataclass(frozen=True)
class ItemNumbers:
    """The columns of the attributes that are no flags.

    Where a user's past ends says much of what is next: who has seen nothing newer than 1995 was
    last here in 1995.

    Attributes:
        columns: (c,) which columns of the attributes.
        values: (n_items, c); NaN where an item has no attributes.
    """

    columns: Longs
    values: Floats

    @staticmethod
    def of(tokens: Mapping[str, TokenTable], n_items: int) -> "ItemNumbers":
        """The first eight columns that take more than two values."""
        if _MODALITY not in tokens:
            return ItemNumbers(np.zeros(0, np.int64), np.zeros((n_items, 0), np.float32))
        ordered = np.sort(tokens[_MODALITY].features, axis=0)
        steps = (ordered[1:] != ordered[:-1]).sum(axis=0)
        columns = np.flatnonzero(steps >= _MOST_FLAG_VALUES)[:_MOST_NUMBERS]
        return ItemNumbers(columns, _read(tokens, columns, n_items))

    def masked(self, tokens: Mapping[str, TokenTable]) -> "ItemNumbers":
        """The same columns of other tokens; NaN where they lack the attributes."""
        return ItemNumbers(self.columns, _read(tokens, self.columns, len(self.values)))

    def extended(self, tokens: Mapping[str, TokenTable], places: Ints) -> "ItemNumbers":
        """The same columns of further and changed items; see `models.protocol.Extendable`."""
        width = int(self.columns.max(initial=-1)) + 1
        known = {
            name: table
            for name, table in tokens.items()
            if name == _MODALITY and table.features.shape[1] >= width
        }
        values = _read(known, self.columns, len(places))
        return ItemNumbers(self.columns, placed(self.values, places, values))

    def names(self) -> tuple[str, ...]:
        """Names of the 3c numbers that `numbers_of` gives."""
        return tuple(f"number_{place}_{figure}" for figure in _FIGURES for place in self.columns)


def numbers_of(numbers: ItemNumbers, users: Histories, rows: Ints, items: Ints) -> Floats:
    """Each number of an item, and how far it lies above the history's mean and largest number.

    Args:
        numbers: of the items.
        users: their histories.
        rows: (r,) rows of `users`.
        items: (r,) dense item indexes.

    Returns:
        (r, 3c) in the order of `names`; NaN where there is nothing to tell.
    """
    values = numbers.values[items]
    mean, largest = np.empty((2, len(users), values.shape[1]), dtype=np.float32)
    describe_past_numbers(users.offsets, users.items, numbers.values, mean, largest)
    return np.hstack([values, values - mean[rows], values - largest[rows]])


def _read(tokens: Mapping[str, TokenTable], columns: Longs, n_items: int) -> Floats:
    values = np.full((n_items, len(columns)), np.nan, dtype=np.float32)
    if _MODALITY in tokens:
        features, present = tokens[_MODALITY].at()
        values[present] = features[present][:, columns]
    return values

"""Arrays over items that grow by some that came later."""

import logging
from collections.abc import Mapping

import numpy as np

from models.data import Floats, Ints, TokenTable

_log = logging.getLogger(__name__)


def placed(rows: np.ndarray, places: Ints, new_rows: np.ndarray) -> np.ndarray:
    """Rows (n, …) with `new_rows` (k, …) at their places (k,), which may lie beyond n."""
    n = max(len(rows), int(places.max(initial=-1)) + 1)
    grown = np.zeros((n, *rows.shape[1:]), dtype=rows.dtype)
    grown[: len(rows)] = rows
    grown[places] = new_rows
    return grown


def further_ties(ties: Ints, places: Ints) -> Ints:
    """Tie-breaks of a grown catalogue: among equal scores, items that came later come last."""
    new = places[places >= len(ties)]
    return np.concatenate([ties, new]).astype(np.int32)


def of_width(tokens: Mapping[str, TokenTable], widths: Mapping[str, int]) -> dict[str, TokenTable]:
    """The tables whose modality a model knows, and whose width is the same as at its fit.

    Another width means that the catalogue has other categories, or another encoder, since the fit:
    the model does not know what its numbers mean.
    """
    usable = {}
    for name, table in tokens.items():
        if name not in widths or not len(table.items):
            continue
        if table.features.shape[1] == widths[name]:
            usable[name] = table
            continue
        _log.warning(
            "The %s of new items has %d numbers and that of the fit %d: it is left out. Fit the "
            "model again.",
            name,
            table.features.shape[1],
            widths[name],
        )
    return usable


def tokens_of(
    features: Mapping[str, Mapping[int, Floats]], known_at: np.ndarray
) -> dict[str, TokenTable]:
    """Token tables of k items.

    Args:
        features: of each modality the features (d,) of those of the k items that have it.
        known_at: (k,) UTC microseconds from which each item was known.
    """
    tables = {}
    for name, by_item in features.items():
        if by_item:
            items = np.array(sorted(by_item), dtype=np.int32)
            stacked = np.stack([by_item[int(item)] for item in items]).astype(np.float32)
            tables[name] = TokenTable(len(known_at), items, known_at[items], stacked)
    return tables


def of_places(table: TokenTable, items: np.ndarray) -> TokenTable:
    """The rows of `items` (k,) of a table, which become the items 0, 1, 2, ... of another."""
    place = np.full(table.n_items, -1, dtype=np.int32)
    place[items] = np.arange(len(items), dtype=np.int32)
    rows = place[table.items] >= 0
    return TokenTable(
        len(items), place[table.items[rows]], table.known_at[rows], table.features[rows]
    )

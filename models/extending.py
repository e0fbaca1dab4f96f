"""Arrays over items that grow by some that came later."""

import logging
from collections.abc import Mapping

import numpy as np

from models.data import Floats, Ints, TokenTable

_log = logging.getLogger(__name__)


def placed(rows: np.ndarray, places: Ints, own: np.ndarray) -> np.ndarray:
    """Rows (n, …) with those of `own` (k, …) at their places (k,), which may lie beyond n."""
    n = max(len(rows), int(places.max(initial=-1)) + 1)
    grown = np.zeros((n, *rows.shape[1:]), dtype=rows.dtype)
    grown[: len(rows)] = rows
    grown[places] = own
    return grown


def further_ties(ties: Ints, places: Ints) -> Ints:
    """Tie-breaks of a grown catalogue: among equal scores, items that came later come last."""
    new = places[places >= len(ties)]
    return np.concatenate([ties, new]).astype(np.int32)


def of_width(tokens: Mapping[str, TokenTable], widths: Mapping[str, int]) -> dict[str, TokenTable]:
    """The tables whose modality a model knows, and whose width is that of its fit.

    Another width comes of a catalogue that has got other categories, or of another encoder, since
    the fit: what its numbers mean is not known to the model.
    """
    kept = {}
    for name, table in tokens.items():
        if name not in widths or not len(table.items):
            continue
        if table.features.shape[1] == widths[name]:
            kept[name] = table
            continue
        _log.warning(
            "The %s of new items has %d numbers and that of the fit %d: it is left out. Fit the "
            "model again.",
            name,
            table.features.shape[1],
            widths[name],
        )
    return kept


def tokens_of(
    features: Mapping[str, Mapping[int, Floats]], known_at: np.ndarray
) -> dict[str, TokenTable]:
    """Token tables of k items.

    Args:
        features: of each modality the features (d,) of those of the k items that have it.
        known_at: (k,) UTC microseconds from which each item was known.
    """
    tables = {}
    for name, own in features.items():
        if own:
            items = np.array(sorted(own), dtype=np.int32)
            stacked = np.stack([own[int(item)] for item in items]).astype(np.float32)
            tables[name] = TokenTable(len(known_at), items, known_at[items], stacked)
    return tables


def of_places(table: TokenTable, kept: np.ndarray) -> TokenTable:
    """The rows of the items (k,) of a table, which become the items 0, 1, 2, ... of another."""
    place = np.full(table.n_items, -1, dtype=np.int32)
    place[kept] = np.arange(len(kept), dtype=np.int32)
    rows = place[table.items] >= 0
    return TokenTable(
        len(kept), place[table.items[rows]], table.known_at[rows], table.features[rows]
    )

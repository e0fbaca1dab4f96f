"""Categories and named numbers of items as one vector: no weights, nothing to learn but scale."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.data import Bools, Floats

_EXTREME = 5.0
_CATEGORY = "category="
_MISSING = " is missing"


@dataclass(frozen=True)
class AttributeFeatures:
    """The attributes of n items.

    Attributes:
        features: (n, d) float32; zeros where an item is absent, to be masked.
        present: (n,) whether anything is known of the item.
        names: of the d columns.
    """

    features: Floats
    present: Bools
    names: tuple[str, ...]


def encode_attributes(
    categories: pl.Series,
    attributes: pl.Series,
    *,
    min_support: int = 2,
    max_categories: int = 256,
    ranges: int = 16,
) -> AttributeFeatures:
    """Multi-hot categories, standardised numbers, their ranges, and what is missing.

    A number that takes many values is given twice: as itself, and by which of `ranges` ranges of
    about equally many items it lies in. What follows from a number, such as a year,
    need not be a line.

    Args:
        categories: (n,) List(String).
        attributes: (n,) List(Struct(name, value)); values that are no finite numbers are missing.
        min_support: a category or number that fewer items have is left out.
        max_categories: most categories, the most frequent first.
        ranges: of a number that takes more values than this.
    """
    n = len(categories)
    category_names, multi_hot = _multi_hot(categories, min_support, max_categories)
    number_names, values = _numbers(attributes, min_support)
    known: Bools = np.isfinite(values)
    scaled = _standardised(values)
    gaps: Bools = np.asarray(~known.all(axis=0))
    missing = ~known[:, gaps]
    range_names, in_range = _ranges(number_names, values, ranges)
    features = np.hstack([multi_hot, scaled, missing, in_range]).astype(np.float32)
    present: Bools = np.asarray(multi_hot.any(axis=1) | known.any(axis=1))
    features[~present] = 0.0
    names = (
        *(f"{_CATEGORY}{name}" for name in category_names),
        *number_names,
        *(f"{name}{_MISSING}" for name, gap in zip(number_names, gaps, strict=True) if gap),
        *range_names,
    )
    return AttributeFeatures(features.reshape(n, len(names)), present, names)


def with_categories(
    names: Sequence[str], categories: Collection[str], before: Floats | None = None
) -> Floats | None:
    """The features (d,) of an item in these categories, on the scale of a catalogue.

    Args:
        names: of the catalogue's columns, as `AttributeFeatures.names`.
        categories: of the item; one that has no column is left out.
        before: (d,) the item's features so far, whose numbers stay; by default none is known.

    Returns:
        None where nothing is known of the item.
    """
    member = np.array([name.removeprefix(_CATEGORY) in categories for name in names], dtype=bool)
    about = np.array([name.startswith(_CATEGORY) for name in names], dtype=bool)
    missing = np.array([name.endswith(_MISSING) for name in names], dtype=bool)
    if before is None and not (member & about).any():
        return None
    numbers = missing.astype(np.float32) if before is None else before
    return np.where(about, member, numbers).astype(np.float32)


def _multi_hot(
    categories: pl.Series, min_support: int, most: int
) -> tuple[list[str], NDArray[np.float32]]:
    pairs = _rows(categories.cast(pl.List(pl.String))).unique().sort("row", "value")
    counted = (
        pairs.group_by("value")
        .agg(pl.len().alias("items"))
        .filter(pl.col("items") >= min_support)
        .sort(["items", "value"], descending=[True, False])
        .head(most)
    )
    names = counted["value"].sort().to_list()
    hot = np.zeros((len(categories), len(names)), dtype=np.float32)
    frequent = pairs.filter(pl.col("value").is_in(names))
    columns = np.searchsorted(np.array(names, dtype=str), frequent["value"].to_numpy().astype(str))
    hot[frequent["row"].to_numpy(), columns] = 1.0
    return names, hot


def _numbers(attributes: pl.Series, min_support: int) -> tuple[list[str], NDArray[np.float64]]:
    pairs = (
        _rows(attributes)
        .unnest("value")
        .filter(pl.col("name").is_not_null() & pl.col("value").is_finite())
        .unique(["row", "name"], keep="first", maintain_order=True)
    )
    support = pairs.group_by("name").len().filter(pl.col("len") >= min_support)
    names = support["name"].sort().to_list()
    values = np.full((len(attributes), len(names)), np.nan)
    frequent = pairs.filter(pl.col("name").is_in(names))
    columns = np.searchsorted(np.array(names, dtype=str), frequent["name"].to_numpy().astype(str))
    values[frequent["row"].to_numpy(), columns] = frequent["value"].to_numpy()
    return names, values


def _ranges(
    names: list[str], values: NDArray[np.float64], n_ranges: int
) -> tuple[list[str], NDArray[np.float64]]:
    """One column (n,) a range of a number, 1 where it lies in it, and the columns' names."""
    labels, columns = [], []
    for name, column in zip(names, values.T, strict=True):
        known = column[np.isfinite(column)]
        if len(np.unique(known)) <= n_ranges:
            continue
        inner = np.arange(1, n_ranges) / n_ranges
        edges = np.unique(np.quantile(known, inner, method="lower"))
        place = np.where(np.isfinite(column), np.searchsorted(edges, column), -1)
        columns.append(place[:, None] == np.arange(len(edges) + 1))
        labels += [f"{name} up to {edge:g}" for edge in edges] + [f"{name} above {edges[-1]:g}"]
    hot = np.hstack(columns) if columns else np.zeros((len(values), 0))
    return labels, hot.astype(np.float64)


def _rows(lists: pl.Series) -> pl.DataFrame:
    """Row number and value of every list element."""
    frame = pl.DataFrame({"row": np.arange(len(lists)), "value": lists})
    return frame.explode("value").drop_nulls("value")


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Zero mean and unit deviation over what is known; zero where nothing is."""
    known = np.isfinite(values)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0.0).sum(axis=0) / counts
    centred = np.where(known, values - mean, 0.0)
    deviation = np.sqrt((centred**2).sum(axis=0) / counts)
    scaled = centred / np.where(deviation > 0, deviation, 1.0)
    return np.clip(scaled, -_EXTREME, _EXTREME)

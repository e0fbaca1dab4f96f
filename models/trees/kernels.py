"""The two loops over trees that numba compiles: scores, and what each feature adds to them.

Machine code is kept in `__pycache__`, as Python keeps its own (numba's user-wide folder where that
is read-only), keyed by the processor. It does not depend on the trees, which are only arrays here.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from models.compiling import compiled
from models.data import Floats

_BLOCK = 64
"""Rows that go down a tree together: their columns stay in the nearest caches."""

_LANES = 8
"""Rows are asked in whole vectors of the processor: the last few that fill one are not read."""

_ZERO = np.float32(1e-35)
"""LightGBM takes numbers up to this one for 0."""

_EXPONENT_BIAS = 1023
_MANTISSA_BITS = 52


def _columns_of(features: Floats, columns: Floats) -> None:
    for row in range(features.shape[0]):
        for column in range(features.shape[1]):
            value = features[row, column]
            columns[column, row] = np.float32(0) if abs(value) <= _ZERO else value


_lay_out = compiled(_columns_of)


def _score(
    features: Floats,
    starts: Any,
    feature: Any,
    threshold: Any,
    missing_left: Any,
    masks: Any,
    leaves: Any,
    every: Any,
    one: Any,
) -> Any:
    rows, n_features = features.shape
    scores = np.zeros(rows, dtype=np.float64)
    columns = np.zeros((n_features, _BLOCK), dtype=np.float32)
    alive = np.zeros(_BLOCK, dtype=masks.dtype)
    power = np.zeros(_BLOCK, dtype=np.float64)
    bits = power.view(np.int64)
    for begin in range(0, rows, _BLOCK):
        size = min(_BLOCK, rows - begin)
        wide = (size + _LANES - 1) // _LANES * _LANES
        _lay_out(features[begin : begin + size], columns)
        for tree in range(len(starts) - 1):
            alive[:wide] = every
            for node in range(starts[tree], starts[tree + 1]):
                # Unsigned, as numba would otherwise check each time whether an index is negative.
                index = np.uint64(feature[node])
                limit, mask = threshold[node], masks[node]
                if missing_left[node]:
                    for row in range(wide):
                        alive[row] &= mask if columns[index, row] > limit else every
                else:
                    for row in range(wide):
                        alive[row] &= every if columns[index, row] <= limit else mask
            # The exponent of a power of two is the place of its bit; numba has no name for it.
            for row in range(wide):
                power[row] = alive[row] & (~alive[row] + one)
            for row in range(size):
                place = (bits[row] >> _MANTISSA_BITS) - _EXPONENT_BIAS
                scores[begin + row] += leaves[tree, place]
    return scores


def _contributions(
    features: Floats,
    starts: Any,
    feature: Any,
    above: Any,
    up_to: Any,
    missing_passes: Any,
    output_starts: Any,
    output_features: Any,
    value_starts: Any,
    values: Any,
) -> Any:
    rows, n_features = features.shape
    totals = np.zeros((rows, n_features), dtype=np.float64)
    columns = np.zeros((n_features, _BLOCK), dtype=np.float32)
    held = np.zeros(_BLOCK, dtype=np.uint32)
    place = np.zeros(_BLOCK, dtype=np.uint64)
    added = np.zeros((n_features, _BLOCK), dtype=np.float64)
    for begin in range(0, rows, _BLOCK):
        size = min(_BLOCK, rows - begin)
        wide = (size + _LANES - 1) // _LANES * _LANES
        _lay_out(features[begin : begin + size], columns)
        added[:] = 0
        for table in range(len(starts) - 1):
            first, last = starts[table], starts[table + 1]
            held[:wide] = 0
            for step in range(first, last):
                index, bit = np.uint64(feature[step]), np.uint32(1 << (step - first))
                low, high, none = above[step], up_to[step], np.uint32(0)
                # NaN fails every comparison, so the form of the comparison decides for it.
                if missing_passes[step]:
                    for row in range(wide):
                        value = columns[index, row]
                        held[row] |= none if (value <= low) | (value > high) else bit
                else:
                    for row in range(wide):
                        value = columns[index, row]
                        held[row] |= bit if (not (value <= low)) & (value <= high) else none
            # A table has one row of values for each pattern of held conditions.
            start, n_outputs = output_starts[table], output_starts[table + 1] - output_starts[table]
            width, values_at = np.uint64(n_outputs), np.uint64(value_starts[table])
            for row in range(wide):
                place[row] = values_at + np.uint64(held[row]) * width
            for column in range(width):
                output = np.uint64(output_features[start + column])
                for row in range(size):
                    added[output, row] += values[place[row] + column]
        for row in range(size):
            for column in range(n_features):
                totals[begin + row, column] = added[column, row]
    return totals


score = cast(Callable[..., Floats], compiled(_score))
"""Scores (r,) float64 of features (r, f) float32, by QuickScorer (Lucchese et al. 2015), rows
side by side (Lucchese et al. 2016): all nodes of a tree are asked, each that sends a row to the
right strikes out the leaves on its left, and the first leaf left is the row's. Takes the arrays of
`layout.Forest`, the mask that strikes nothing out, and a 1 of its dtype."""

contributions = cast(Callable[..., Floats], compiled(_contributions))
"""What each feature adds to each score, (r, f) float64. Takes the arrays of `shap.ShapTables`."""

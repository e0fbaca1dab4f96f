"""What each feature added to a score: exact path-dependent TreeSHAP (Lundberg et al. 2020).

A leaf's part of the Shapley value of feature k is, with the leaf's value v, the features of its
path, whether a row passes their conditions (o, 0 or 1), and the share of the training's rows that
does (z),

    v (o_k - z_k) ∫ ∏_{j ≠ k} (q o_j + (1 - q) z_j) dq,  q from 0 to 1:

the multilinear extension of the game (Owen 1972). The integrand is a polynomial of a degree below
the number d of features, so ⌈d / 2⌉ points of Gauss and Legendre give it exactly. It depends on a
row by o alone, so that all its 2^d values are worked out once (Fast TreeSHAP v2, Yang 2021).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.data import Bools, Floats, Ints, Longs
from models.trees.layout import Doubles, Tree, UnsupportedTreesError

_MOST_VALUES = 1 << 24
"""Of all paths together: 64 MB. Trees of 15 leaves have a few thousandths of that each."""

_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class PathTables:
    """P paths from root to leaf, S conditions on them (one a feature and path), and their parts.

    Attributes:
        expected: the mean score over the training's rows, which is not in any feature's part.
        starts: (P + 1,) where a path's conditions begin.
        feature: (S,) which feature a condition is about.
        above: (S,) float32, what the feature must exceed; NaN where it need not.
        up_to: (S,) float32, what the feature must not exceed.
        missing_passes: (S,) whether NaN holds.
        begins: (P,) where a path's values begin.
        values: what the feature of a path's k-th condition gets from a row that holds the
            conditions whose bits m has: with d conditions, the one at `begins + m · d + k`.
    """

    expected: float
    starts: Ints
    feature: Ints
    above: Floats
    up_to: Floats
    missing_passes: Bools
    begins: Longs
    values: Floats


@dataclass(frozen=True)
class _Condition:
    """That a feature exceeds `above` and does not exceed `up_to`."""

    above: float = np.nan
    up_to: float = np.inf
    missing_passes: bool = True
    share: float = 1.0


_Path = tuple[dict[int, _Condition], float]


def path_tables(trees: Sequence[Tree]) -> PathTables:
    """The paths of all trees, and what each adds to whatever rows.

    Raises:
        UnsupportedTreesError: the paths ask for so many features that the values were too many.
    """
    found = [path for tree in trees for path in _of_tree(tree)]
    counts = np.array([len(conditions) for conditions, _ in found], dtype=np.int64)
    conditions = [held for path, _ in found for held in path.values()]
    shares = np.array([held.share for held in conditions])
    leaves = np.array([value for _, value in found])
    starts = np.concatenate([[0], np.cumsum(counts)])
    sizes = counts * 2.0**counts
    if sizes.sum() > _MOST_VALUES:
        raise UnsupportedTreesError(
            f"Some leaf depends on {counts.max()} features, more than tables can be made for."
        )
    begins = np.concatenate([[0], np.cumsum(sizes.astype(np.int64))])
    values = np.empty(begins[-1], dtype=np.float32)
    for count in np.unique(counts).tolist():
        size = count << count
        every = np.flatnonzero(counts == count)
        for own in np.array_split(every, len(every) * size * count // _AT_ONCE + 1):
            parts = _parts(leaves[own], shares[starts[own, None] + np.arange(count)])
            values[begins[own, None] + np.arange(size)] = parts.reshape(len(own), size)
    return PathTables(
        float(sum(_expected(tree) for tree in trees)),
        starts.astype(np.int32),
        np.array([name for path, _ in found for name in path], dtype=np.int32),
        np.array([held.above for held in conditions], dtype=np.float32),
        np.array([held.up_to for held in conditions], dtype=np.float32),
        np.array([held.missing_passes for held in conditions], dtype=np.bool_),
        begins[:-1],
        values,
    )


def _parts(leaves: Doubles, shares: Doubles) -> Doubles:
    """What p paths with d conditions add to each one's feature, (p, 2^d, d), by those that hold.

    Args:
        leaves: (p,) values of the leaves.
        shares: (p, d) of the training's rows for which a condition holds where those above it do.
    """
    d = shares.shape[1]
    held = (np.arange(1 << d)[:, None] >> np.arange(d) & 1).astype(float)
    place, weight = np.polynomial.legendre.leggauss((d + 1) // 2)
    q = (place + 1) / 2
    factors = q * held[:, :, None] + (1 - q) * shares[:, None, :, None]
    others = factors.prod(axis=2, keepdims=True) / factors
    found: Doubles = leaves[:, None, None] * (held - shares[:, None]) * (others @ (weight / 2))
    return found


def grouped(values: Doubles, groups: Ints, n_groups: int) -> Doubles:
    """Sums of the features' parts by group: what they say together stays exact.

    Args:
        values: (r, f) what each feature added.
        groups: (f,) a feature's group, below n_groups.
        n_groups: how many groups.

    Returns:
        (r, n_groups), with the same sum a row.
    """
    found = np.zeros((n_groups, len(values)))
    np.add.at(found, groups, values.T)
    return found.T


def _expected(tree: Tree) -> float:
    if not len(tree.feature):
        return float(tree.values[0])
    return float(tree.values @ tree.leaf_rows / tree.leaf_rows.sum())


def _of_tree(tree: Tree) -> Iterator[_Path]:
    """Conditions by feature, and value, of each leaf below a split."""
    waiting: list[tuple[int, dict[int, _Condition]]] = [(0, {})] if len(tree.feature) else []
    while waiting:
        node, held = waiting.pop()
        for child, is_left in ((int(tree.left[node]), True), (int(tree.right[node]), False)):
            below = held | {
                int(tree.feature[node]): _narrowed(
                    held.get(int(tree.feature[node]), _Condition()), tree, node, child, is_left
                )
            }
            if child < 0:
                yield below, float(tree.values[-child - 1])
            else:
                waiting.append((child, below))


def _narrowed(held: _Condition, tree: Tree, node: int, child: int, is_left: bool) -> _Condition:
    limit = float(tree.threshold[node])
    reached = tree.leaf_rows[-child - 1] if child < 0 else tree.rows[child]
    return _Condition(
        held.above if is_left else float(np.fmax(held.above, limit)),
        min(held.up_to, limit) if is_left else held.up_to,
        held.missing_passes and bool(tree.missing_left[node]) == is_left,
        held.share * float(reached / tree.rows[node]),
    )

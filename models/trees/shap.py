"""What each feature added to a score: exact path-dependent TreeSHAP (Lundberg et al. 2020).

A leaf's part of the Shapley value of feature k is, with the leaf's value v, the features of its
path, whether a row passes their conditions (o, 0 or 1), and the share of the training's rows that
does (z),

    v (o_k - z_k) ∫ ∏_{j ≠ k} (q o_j + (1 - q) z_j) dq,  q from 0 to 1:

the multilinear extension of the game (Owen 1972). The integrand is a polynomial of a degree below
the number d of features, so ⌈d / 2⌉ points of Gauss and Legendre give it exactly. It depends on a
row by o alone, so that all its 2^d values are worked out once (Fast TreeSHAP v2, Yang 2021). Here
the leaves below a node share one table, as long as few conditions say what a row passes of all of
them: those on the way to the node, and the splits from there on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.data import Bools, Floats, Ints, Longs
from models.trees.layout import Doubles, Tree, UnsupportedTreesError

_MOST_VALUES = 1 << 24
"""Of all tables together: 64 MB. Trees of 15 leaves have about 16 KB each."""

_AT_ONCE = 1 << 20

_CONDITIONS = 8
"""Of the leaves that share a table: with more, fewer tables are read, of which each is larger."""


@dataclass(frozen=True)
class ShapTables:
    """G tables, C conditions that say which row of them is read, and F features that get a part.

    Attributes:
        expected: the mean score over the training's rows, which is not in any feature's part.
        starts: (G + 1,) where a table's conditions begin.
        feature: (C,) which feature a condition is about.
        above: (C,) float32, what the feature must exceed; NaN where it need not.
        up_to: (C,) float32, what the feature must not exceed.
        missing_passes: (C,) whether NaN holds.
        output_starts: (G + 1,) where the features that get something from a table begin.
        output_features: (F,) which features.
        value_starts: (G,) where a table's values begin.
        values: what a table gives to the k-th of its f features for a row that holds the conditions
            whose bits m has: the one at `value_starts + m · f + k`.
    """

    expected: float
    starts: Ints
    feature: Ints
    above: Floats
    up_to: Floats
    missing_passes: Bools
    output_starts: Ints
    output_features: Ints
    value_starts: Longs
    values: Floats


@dataclass(frozen=True)
class _Condition:
    """That a feature exceeds `above` and does not exceed `up_to`."""

    above: float = np.nan
    up_to: float = np.inf
    missing_passes: bool = True
    share: float = 1.0


_Held = dict[int, _Condition]
"""The condition on each feature that a path asks about."""


@dataclass(frozen=True)
class _Leaf:
    """A leaf of a table.

    Attributes:
        value: what it adds to a score.
        path: the conditions on it.
        bits: by feature, the bits of the table's conditions that must be set, and those that must
            not be, for the feature's condition to hold.
    """

    value: float
    path: _Held
    bits: Mapping[int, tuple[int, int]]


@dataclass(frozen=True)
class _Group:
    """Leaves that share a table, and the conditions that it is read by."""

    conditions: tuple[tuple[int, _Condition], ...]
    leaves: tuple[_Leaf, ...]

    @property
    def features(self) -> tuple[int, ...]:
        """Those that get something, in an order of their own."""
        return tuple(dict.fromkeys(feature for feature, _ in self.conditions))

    @property
    def size(self) -> int:
        """Values of the table."""
        return len(self.features) << len(self.conditions)


def shap_tables(trees: Sequence[Tree]) -> ShapTables:
    """What all leaves of all trees add to any rows.

    Raises:
        UnsupportedTreesError: the paths test so many features that the tables would be too large.
    """
    groups = [group for tree in trees for group in _of_tree(tree)]
    sizes = np.array([group.size for group in groups], dtype=np.int64)
    if sizes.sum() > _MOST_VALUES:
        most = max(len(group.conditions) for group in groups)
        raise UnsupportedTreesError(
            f"Some leaf depends on {most} features, more than tables can be made for."
        )
    conditions = [condition for group in groups for condition in group.conditions]
    return ShapTables(
        float(sum(_expected(tree) for tree in trees)),
        _starts([len(group.conditions) for group in groups]).astype(np.int32),
        np.array([feature for feature, _ in conditions], dtype=np.int32),
        np.array([condition.above for _, condition in conditions], dtype=np.float32),
        np.array([condition.up_to for _, condition in conditions], dtype=np.float32),
        np.array([condition.missing_passes for _, condition in conditions], dtype=np.bool_),
        _starts([len(group.features) for group in groups]).astype(np.int32),
        np.array([name for group in groups for name in group.features], dtype=np.int32),
        _starts(sizes.tolist())[:-1],
        _values(groups, int(sizes.sum())),
    )


def _starts(sizes: Sequence[int]) -> Longs:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _values(groups: Sequence[_Group], size: int) -> Floats:
    """The values of all tables, one after the other."""
    leaves = [leaf for group in groups for leaf in group.leaves]
    parts: list[Doubles] = [np.zeros((0, 0))] * len(leaves)
    counts = np.array([len(leaf.path) for leaf in leaves], dtype=np.int64)
    for count in np.unique(counts).tolist():
        every = np.flatnonzero(counts == count)
        for chunk in np.array_split(every, len(every) * (count << count) // _AT_ONCE + 1):
            shares = [
                [condition.share for condition in leaves[place].path.values()] for place in chunk
            ]
            worth = np.array([leaves[place].value for place in chunk])
            for place, part in zip(chunk, _parts(worth, np.array(shares)), strict=True):
                parts[place] = part
    values, remaining, stop = np.empty(size, dtype=np.float32), iter(parts), 0
    for group in groups:
        column_of = {feature: column for column, feature in enumerate(group.features)}
        table = np.zeros((1 << len(group.conditions), len(column_of)))
        for leaf in group.leaves:
            columns = [column_of[feature] for feature in leaf.path]
            table[:, columns] += next(remaining)[_held_by(leaf, len(table))]
        start, stop = stop, stop + table.size
        values[start:stop] = table.ravel()
    return values


def _held_by(leaf: _Leaf, rows: int) -> Longs:
    """Which of a leaf's conditions hold, as bits, in each row (rows,) of its table."""
    needed, refused = np.array([leaf.bits[feature] for feature in leaf.path], dtype=np.int64).T
    holds = np.arange(rows)[:, None] & (needed | refused) == needed
    bits: Longs = holds @ (1 << np.arange(len(needed)))
    return bits


def _parts(leaves: Doubles, shares: Doubles) -> Doubles:
    """What p paths with d conditions add to the feature of each, (p, 2^d, d), by those that hold.

    Args:
        leaves: (p,) values of the leaves.
        shares: (p, d) of the training rows that reach each condition, the share that meets it.
    """
    d = shares.shape[1]
    passes = (np.arange(1 << d)[:, None] >> np.arange(d) & 1).astype(float)
    place, weight = np.polynomial.legendre.leggauss((d + 1) // 2)
    q = (place + 1) / 2
    factors = q * passes[:, :, None] + (1 - q) * shares[:, None, :, None]
    others = factors.prod(axis=2, keepdims=True) / factors
    effects: Doubles = leaves[:, None, None] * (passes - shares[:, None]) * (others @ (weight / 2))
    return effects


def grouped(values: Doubles, groups: Ints, n_groups: int) -> Doubles:
    """Sums of what features added, by group; their total stays exact.

    Args:
        values: (r, f) what each feature added.
        groups: (f,) the group of each feature, below n_groups.
        n_groups: how many groups.

    Returns:
        (r, n_groups), with the same sum per row.
    """
    sums = np.zeros((n_groups, len(values)))
    np.add.at(sums, groups, values.T)
    return sums.T


def _expected(tree: Tree) -> float:
    if not len(tree.feature):
        return float(tree.values[0])
    return float(tree.values @ tree.leaf_rows / tree.leaf_rows.sum())


def _of_tree(tree: Tree) -> Iterator[_Group]:
    """The groups of the leaves below a split."""
    splits = _splits_below(tree)
    waiting: list[tuple[int, _Held]] = [(0, {})] if len(tree.feature) else []
    while waiting:
        node, held = waiting.pop()
        if node < 0 or len(held) + splits[node] <= _CONDITIONS:
            yield _group(tree, node, held)
        else:
            waiting += [(child, below) for child, below, _ in _children(tree, node, held)]


def _group(tree: Tree, node: int, held: _Held) -> _Group:
    """All leaves below a node, each reached by the rows that meet its conditions.

    Bits 0 … len(held) - 1 are the conditions on the way to `node`, then one bit per split below it:
    set on its left, unset on its right.
    """
    conditions = list(held.items())
    leaves: list[_Leaf] = []
    waiting = [(node, held, {feature: (1 << bit, 0) for bit, feature in enumerate(held)})]
    while waiting:
        node, held, bits = waiting.pop()
        if node < 0:
            leaves.append(_Leaf(float(tree.values[-node - 1]), held, bits))
            continue
        feature, mask = int(tree.feature[node]), 1 << len(conditions)
        split = _Condition(
            up_to=float(tree.threshold[node]), missing_passes=bool(tree.missing_left[node])
        )
        conditions.append((feature, split))
        for child, below, is_left in _children(tree, node, held):
            needed, refused = bits.get(feature, (0, 0))
            pattern = (needed | mask, refused) if is_left else (needed, refused | mask)
            waiting.append((child, below, {**bits, feature: pattern}))
    return _Group(tuple(conditions), tuple(leaves))


def _children(tree: Tree, node: int, held: _Held) -> Iterator[tuple[int, _Held, bool]]:
    """Both children of a node, the conditions on the way to each, and whether it is the left."""
    feature = int(tree.feature[node])
    for child, is_left in ((int(tree.left[node]), True), (int(tree.right[node]), False)):
        narrowed = _narrowed(held.get(feature, _Condition()), tree, node, child, is_left)
        yield child, held | {feature: narrowed}, is_left


def _splits_below(tree: Tree) -> list[int]:
    """How many splits lie at and below each node."""
    counts = [1] * len(tree.feature)
    # LightGBM numbers splits as it makes them, so a child comes after its parent.
    for node in reversed(range(len(counts))):
        counts[node] += sum(
            counts[child] for child in (tree.left[node], tree.right[node]) if child >= 0
        )
    return counts


def _narrowed(
    condition: _Condition, tree: Tree, node: int, child: int, is_left: bool
) -> _Condition:
    limit = float(tree.threshold[node])
    reached = tree.leaf_rows[-child - 1] if child < 0 else tree.rows[child]
    return _Condition(
        condition.above if is_left else float(np.fmax(condition.above, limit)),
        min(condition.up_to, limit) if is_left else condition.up_to,
        condition.missing_passes and bool(tree.missing_left[node]) == is_left,
        condition.share * float(reached / tree.rows[node]),
    )

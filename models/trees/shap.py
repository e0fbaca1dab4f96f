"""What each feature added to a score: exact path-dependent TreeSHAP (Lundberg et al. 2020).

A leaf's part of the Shapley value of feature k is, with the leaf's value v, the features of its
path, whether a row passes their conditions (o, 0 or 1), and the share of the training's rows that
does (z),

    v (o_k - z_k) ∫ ∏_{j ≠ k} (q o_j + (1 - q) z_j) dq,  q from 0 to 1:

the multilinear extension of the game (Owen 1972). The integrand is a polynomial of a degree below
the number d of features, so ⌈d / 2⌉ points of Gauss and Legendre give it exactly. All rows share
what does not depend on o, which is computed once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.data import Bools, Floats, Ints
from models.trees.layout import Doubles, Tree


@dataclass(frozen=True)
class Paths:
    """P paths from root to leaf, S conditions on them (one a feature and path), Q points at most.

    The product over a path's features is its value where no condition holds, times
    1 + q / ((1 - q) z_k) for each that does.

    Attributes:
        expected: the mean score over the training's rows, which is not in any feature's part.
        starts: (P + 1,) where a path's conditions begin.
        feature: (S,) which feature a condition is about.
        above: (S,) float32, what the feature must exceed; NaN where it need not.
        up_to: (S,) float32, what the feature must not exceed.
        missing_passes: (S,) whether NaN holds.
        surplus: (S, Q) q / ((1 - q) z).
        points: (P,) how many of the Q points count.
        base: (P, Q) the product where no condition holds, times value and weight of the point.
        inside: (S, Q) a product's share in the part of a feature whose condition holds.
        outside: (P, Q) a product's share in what features whose conditions fail lose.
    """

    expected: float
    starts: Ints
    feature: Ints
    above: Floats
    up_to: Floats
    missing_passes: Bools
    surplus: Doubles
    points: Ints
    base: Doubles
    inside: Doubles
    outside: Doubles


@dataclass(frozen=True)
class _Condition:
    """That a feature exceeds `above` and does not exceed `up_to`."""

    above: float = np.nan
    up_to: float = np.inf
    missing_passes: bool = True
    share: float = 1.0


_Path = tuple[dict[int, _Condition], float]


def paths(trees: Sequence[Tree]) -> Paths:
    """The paths of all trees, and what of their sums no row changes."""
    found = [path for tree in trees for path in _of_tree(tree)]
    counts = np.array([len(conditions) for conditions, _ in found], dtype=np.int32)
    conditions = [held for path, _ in found for held in path.values()]
    points = (counts + 1) // 2
    most = int(points.max(initial=1))
    nodes, weights = _legendre(most)
    owner = np.repeat(np.arange(len(found)), counts)
    shares = np.array([held.share for held in conditions])[:, None]
    place, weight = nodes[points][owner], weights[points]
    base = np.array([value for _, value in found])[:, None] * weight
    np.multiply.at(base, owner, (1 - place) * shares)
    return Paths(
        float(sum(_expected(tree) for tree in trees)),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        np.array([name for path, _ in found for name in path], dtype=np.int32),
        np.array([held.above for held in conditions], dtype=np.float32),
        np.array([held.up_to for held in conditions], dtype=np.float32),
        np.array([held.missing_passes for held in conditions], dtype=np.bool_),
        place / ((1 - place) * shares),
        points.astype(np.int32),
        base,
        (1 - shares) / (place + (1 - place) * shares),
        1 / (1 - nodes[points]),
    )


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


def _legendre(most: int) -> tuple[Doubles, Doubles]:
    """Points on [0, 1] and weights (most + 1, most) of each number of points, zeros after them."""
    points, weights = np.zeros((most + 1, most)), np.zeros((most + 1, most))
    for count in range(1, most + 1):
        place, weight = np.polynomial.legendre.leggauss(count)
        points[count, :count], weights[count, :count] = (place + 1) / 2, weight / 2
    return points, weights


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

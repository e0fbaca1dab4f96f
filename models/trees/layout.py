"""LightGBM's trees as arrays, read from the text it saves a model as."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from models.data import Bools, Floats, Ints

Doubles = NDArray[np.float64]
Masks = NDArray[np.uint32] | NDArray[np.uint64]

_MOST_LEAVES = 64
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_IS_ZERO, _MISSING_IS_NAN = 1, 2


class UnsupportedTreesError(ValueError):
    """Trees that only LightGBM itself can follow."""


@dataclass(frozen=True)
class Tree:
    """One tree of n >= 0 inner nodes; a child below 0 is the leaf -child - 1.

    Attributes:
        feature: (n,) which feature a node asks about.
        threshold: (n,) float32: at most this goes left. Rounded down from LightGBM's float64, which
            leaves the answer for every float32 the same.
        missing_left: (n,) whether NaN goes left.
        left: (n,) the left child.
        right: (n,) the right child.
        rows: (n,) how many rows of the training reached a node.
        leaf_rows: (n + 1,) how many reached a leaf.
        values: (n + 1,) float64, what a leaf adds to the score.
    """

    feature: Ints
    threshold: Floats
    missing_left: Bools
    left: Ints
    right: Ints
    rows: Doubles
    leaf_rows: Doubles
    values: Doubles


@dataclass(frozen=True)
class Forest:
    """T trees and N nodes of theirs as QuickScorer asks them (Lucchese et al. 2015).

    Attributes:
        n_features: how many features the trees were fitted to.
        starts: (T + 1,) where a tree's nodes begin.
        feature: (N,) which feature a node asks about.
        threshold: (N,) at most this goes left.
        missing_left: (N,) whether NaN goes left.
        kept: (N,) uint32, uint64 above 32 leaves: the leaves, first bit the leftmost, that
            remain where a row goes right.
        leaves: (T, L) float64, the leaves' values from left to right, then zeros.
    """

    n_features: int
    starts: Ints
    feature: Ints
    threshold: Floats
    missing_left: Bools
    kept: Masks
    leaves: Doubles


def read(bags: Sequence[lgb.Booster]) -> list[Tree]:
    """The trees of all bags, with leaves that add up to the mean of the bags' raw scores.

    Raises:
        UnsupportedTreesError: there is a categorical split, a linear leaf, an averaged forest, zero
            taken for missing, more than one class, or a tree of more than 64 leaves.
    """
    if not bags:
        raise ValueError("There is no booster: give at least one.")
    if len({trees.num_feature() for trees in bags}) > 1:
        raise ValueError("The boosters were fitted to different numbers of features.")
    return [tree for trees in bags for tree in _parsed(trees.model_to_string(), len(bags))]


def packed(trees: Sequence[Tree], n_features: int) -> Forest:
    """Trees side by side."""
    most = max(len(tree.values) for tree in trees)
    width = np.uint32 if most <= 32 else np.uint64
    leaves = np.zeros((len(trees), most))
    masks = []
    for place, tree in enumerate(trees):
        order, spans = _left_to_right(tree)
        leaves[place, : len(order)] = tree.values[order]
        every = int(np.iinfo(width).max)
        masks.append(np.array([every - (1 << m) + (1 << f) for f, m in spans], dtype=width))
    sizes = [len(tree.feature) for tree in trees]
    return Forest(
        n_features,
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32),
        np.concatenate([tree.feature for tree in trees]),
        np.concatenate([tree.threshold for tree in trees]),
        np.concatenate([tree.missing_left for tree in trees]),
        np.concatenate(masks),
        leaves,
    )


def _left_to_right(tree: Tree) -> tuple[list[int], list[tuple[int, int]]]:
    """The leaves in order, and a node's first leaf and first leaf of its right child."""
    order: list[int] = []
    first = [0] * len(tree.feature)
    middle = [0] * len(tree.feature)
    waiting = [(0 if len(tree.feature) else -1, False)]
    while waiting:
        node, left_is_done = waiting.pop()
        if node < 0:
            order.append(-node - 1)
        elif left_is_done:
            middle[node] = len(order)
            waiting.append((int(tree.right[node]), False))
        else:
            first[node] = len(order)
            waiting += [(node, True), (int(tree.left[node]), False)]
    return order, list(zip(first, middle, strict=True))


def _parsed(text: str, bags: int) -> Iterator[Tree]:
    head, *blocks = text.split("end of trees", 1)[0].split("\nTree=")
    settings = _fields(head)
    if int(settings["num_tree_per_iteration"]) != 1:
        raise UnsupportedTreesError("The trees score more than one class.")
    if "average_output" in head.splitlines():
        raise UnsupportedTreesError("The trees are an averaged forest.")
    for block in blocks:
        yield _tree(_fields(block), bags)


def _fields(block: str) -> Mapping[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _tree(fields: Mapping[str, str], bags: int) -> Tree:
    n_leaves = int(fields["num_leaves"])
    if n_leaves > _MOST_LEAVES:
        raise UnsupportedTreesError(f"A tree has {n_leaves} leaves, above {_MOST_LEAVES}.")
    if fields.get("is_linear", "0") != "0":
        raise UnsupportedTreesError("A tree has linear leaves.")

    def numbers(name: str) -> Doubles:
        return np.array(fields[name].split() if n_leaves > 1 else [], dtype=np.float64)

    def whole(name: str) -> Ints:
        return numbers(name).astype(np.int32)

    decision, threshold = whole("decision_type"), numbers("threshold")
    missing = decision >> 2 & 3
    if (decision & _CATEGORICAL).any():
        raise UnsupportedTreesError("A tree has a categorical split.")
    if (missing == _MISSING_IS_ZERO).any():
        raise UnsupportedTreesError("A tree takes zero for missing.")
    # A feature that had no NaN in the training has 0 in its place.
    missing_left = np.where(
        missing == _MISSING_IS_NAN, (decision & _DEFAULT_LEFT) > 0, threshold >= 0
    )
    return Tree(
        whole("split_feature"),
        _rounded_down(threshold),
        missing_left,
        whole("left_child"),
        whole("right_child"),
        numbers("internal_count"),
        numbers("leaf_count"),
        np.array(fields["leaf_value"].split(), dtype=np.float64) / bags,
    )


def _rounded_down(values: Doubles) -> Floats:
    with np.errstate(over="ignore"):
        near = values.astype(np.float32)
    above = near > values
    near[above] = np.nextafter(near[above], np.float32(-np.inf))
    return near

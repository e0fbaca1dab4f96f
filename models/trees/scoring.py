"""Trees that answer: compiled, or LightGBM's own where they cannot be."""

import logging
from collections.abc import Sequence
from typing import Protocol

import lightgbm as lgb
import numpy as np

from models.data import Floats
from models.trees import kernels, layout, shap
from models.trees.layout import Doubles, UnsupportedTreesError

_log = logging.getLogger(__name__)


class Trees(Protocol):
    """What boosters say together: the mean of their raw scores."""

    def score(self, features: Floats) -> Floats:
        """Scores (r,) float32 of rows of features (r, f) float32, NaN where missing."""

    def contributions(self, features: Floats) -> tuple[Doubles, float]:
        """What each feature added to each score, (r, f) float64, and what all scores begin at.

        A row's parts and the beginning sum to its score.
        """


def of_boosters(bags: Sequence[lgb.Booster], threads: int = 1) -> Trees:
    """Boosters as one set of trees, compiled, which is logged where it cannot be.

    Args:
        bags: boosters of the same features; one class each.
        threads: of LightGBM, where it answers. Compiled trees use the caller's thread alone.

    Raises:
        ValueError: there is no booster, or they were fitted to different numbers of features.
    """
    try:
        return CompiledTrees(bags, threads)
    except UnsupportedTreesError as error:
        _log.warning("LightGBM itself will answer, about ten times slower: %s", error)
        return LightGBMTrees(bags, threads)


class CompiledTrees:
    """Trees followed by machine code that any trees share.

    Scores are LightGBM's in all bits of a float32 but the order in which bags are added. Safe to
    call from several threads at once, which run side by side: the code holds no lock of Python.
    """

    def __init__(self, bags: Sequence[lgb.Booster], threads: int = 1) -> None:
        """Lays the trees out and has the code at hand, compiled once an installation.

        Raises:
            UnsupportedTreesError: only LightGBM can follow these trees.
            ValueError: there is no booster, or they were fitted to different numbers of features.
        """
        trees = layout.read(bags)
        self._forest = layout.packed(trees, bags[0].num_feature())
        self._shap, self._own = _shap_tables(trees), LightGBMTrees(bags, threads)
        nothing = np.zeros((0, self._forest.n_features), dtype=np.float32)
        self.score(nothing)
        self.contributions(nothing)

    def score(self, features: Floats) -> Floats:
        """Scores (r,) float32 of rows of features (r, f) float32, NaN where missing."""
        of, width = self._forest, self._forest.kept.dtype.type
        return kernels.score(
            self._checked(features),
            of.starts,
            of.feature,
            of.threshold,
            of.missing_left,
            of.kept,
            of.leaves,
            width(np.iinfo(width).max),
            width(1),
        ).astype(np.float32)

    def contributions(self, features: Floats) -> tuple[Doubles, float]:
        """What each feature added to each score, (r, f) float64, and the base of all scores."""
        of = self._shap
        if of is None:
            return self._own.contributions(self._checked(features))
        values = kernels.contributions(
            self._checked(features),
            of.starts,
            of.feature,
            of.above,
            of.up_to,
            of.missing_passes,
            of.output_starts,
            of.output_features,
            of.value_starts,
            of.values,
        )
        return values.astype(np.float64, copy=False), of.expected

    def _checked(self, features: Floats) -> Floats:
        if features.ndim != 2 or features.shape[1] != self._forest.n_features:
            raise ValueError(
                f"The trees were fitted to {self._forest.n_features} features: "
                f"they cannot score an array of shape {features.shape}."
            )
        # Writable as well: numba would compile another variant for arrays that are not.
        return np.require(features, np.float32, ["C", "W"])


class LightGBMTrees:
    """LightGBM's own predictor behind the same two questions."""

    def __init__(self, bags: Sequence[lgb.Booster], threads: int = 1) -> None:
        self._bags, self._threads = tuple(bags), threads

    def score(self, features: Floats) -> Floats:
        """Scores (r,) float32 of rows of features (r, f) float32, NaN where missing."""
        scores: Floats = self._mean(features, raw_score=True).astype(np.float32)
        return scores

    def contributions(self, features: Floats) -> tuple[Doubles, float]:
        """What each feature added to each score, (r, f) float64, and the base of all scores."""
        if not len(features):
            # LightGBM divides by the number of rows.
            return np.zeros(features.shape), 0.0
        values = self._mean(features, pred_contrib=True)
        return values[:, :-1], float(values[0, -1])

    def _mean(self, features: Floats, **question: bool) -> Doubles:
        answers = [
            trees.predict(features, num_threads=self._threads, **question) for trees in self._bags
        ]
        mean: Doubles = np.mean(answers, axis=0)
        return mean


def _shap_tables(trees: Sequence[layout.Tree]) -> shap.ShapTables | None:
    """What reasons are read from; None, which is logged, where LightGBM has to give them."""
    try:
        return shap.shap_tables(trees)
    except UnsupportedTreesError as error:
        _log.warning("LightGBM itself will say what features added, at length: %s", error)
        return None

"""From a modality's own features to a few well-scaled numbers, by what behaviour says of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from models.data import Floats, Interactions, Ints, Longs, TokenTable
from models.singular_vectors import leading_singular_vectors

BLOCKS: Mapping[str, tuple[str, ...]] = {"text": ("text", "title")}
"""Vectors of equal width that stand side by side in a modality's features; elsewhere there is one.
"""

_STRENGTHS = np.logspace(-2, 5, 29)
_LATER_BLOCKS = (0.0, 0.5, 1.0, 2.0)
_FOLDS = 5
_FEWEST_TO_SPLIT = 20


@dataclass(frozen=True)
class Reducer:
    """A projection of one modality: (x - mean) P.

    Attributes:
        mean: (p,) of the tower's own features.
        components: (p, c).
    """

    mean: Floats
    components: Floats

    def __call__(self, features: Floats, items: Longs | None = None) -> Floats:
        """Features (n, p) → (n, c), whatever items they are of: called as `CrossFitted` is."""
        return np.asarray((features - self.mean) @ self.components, dtype=np.float32)

    @property
    def width(self) -> int:
        """c."""
        return int(self.components.shape[1])

    @staticmethod
    def fit(features: Floats, behaviour: Floats, weights: Floats) -> "Reducer":
        """Ridge regression from weighed content to what behaviour says of the items.

        The strength is chosen for each direction by generalised cross-validation (Golub, Heath and
        Wahba 1979), so that what the modality predicts badly stays small.

        Args:
            features: (n, p) of items that have the modality and were chosen.
            behaviour: (n, c) of the same items.
            weights: (p,) of the features: what counts more is shrunk less.
        """
        mean = features.mean(axis=0, dtype=np.float64)
        components, _ = _ridge((features.astype(np.float64) - mean) * weights, behaviour)
        components *= weights[:, None]
        return Reducer(mean.astype(np.float32), components.astype(np.float32))


@dataclass(frozen=True)
class CrossFitted:
    """Reducers of one modality, of which none predicts an item that it was fitted on.

    Items of the training are reduced by regressions that were not fitted to them, as an item to
    come will be (stacking, Wolpert 1992); only what a block weighs is chosen from all of them.
    Fewer than 20 items are too few to be parted: one regression reads them all.
    Otherwise a wide modality would look as strong in training as it can fit noise, and the network
    would trust it on new items too.

    Attributes:
        whole: fitted on all items: for those it has not seen.
        folds: each fitted without the items of its fold.
        fold_of: (n_items,) the fold of an item; -1 for one that no reducer was fitted on.
    """

    whole: Reducer
    folds: tuple[Reducer, ...]
    fold_of: Ints

    @property
    def width(self) -> int:
        """c."""
        return self.whole.width

    def __call__(self, features: Floats, items: Longs) -> Floats:
        """Features (n, p) of the dense items (n,) → (n, c)."""
        reduced = self.whole(features)
        for fold, reducer in enumerate(self.folds):
            rows = self.fold_of[items] == fold
            reduced[rows] = reducer(features[rows])
        return reduced

    @staticmethod
    def fit(
        features: Floats,
        items: Longs,
        choices: csr_matrix,
        n_components: int,
        seed: int,
        n_blocks: int = 1,
    ) -> "CrossFitted":
        """Regressions onto the leading singular vectors of the choices.

        Args:
            features: (n, p) of items that have the modality and were chosen.
            items: (n,) their dense indexes.
            choices: (n_items, n_users) who chose what.
            n_components: most directions kept.
            seed: draws the folds.
            n_blocks: into how many blocks of equal width the features divide.
        """
        behaviour = behaviour_factors(choices[items], n_components)
        behaviour /= max(np.sqrt((behaviour**2).mean()), 1e-12)
        fold_of = np.full(choices.shape[0], -1, dtype=np.int32)
        fold_of[items] = np.random.default_rng(seed).permutation(len(items)) % _FOLDS
        item_folds = fold_of[items]
        weights = _block_weights(features, behaviour, n_blocks)
        folds = tuple(
            Reducer.fit(features[item_folds != fold], behaviour[item_folds != fold], weights)
            for fold in range(_FOLDS if len(items) >= _FEWEST_TO_SPLIT else 0)
        )
        return CrossFitted(Reducer.fit(features, behaviour, weights), folds, fold_of)


def behaviour_factors(choices: csr_matrix, n_components: int) -> Floats:
    """Leading left singular vectors (n, c) of the choices, times their singular values.

    Where the choices have fewer, the last columns are zero.
    """
    vectors, values, _ = leading_singular_vectors(choices.astype(np.float64), n_components)
    factors = vectors * values
    # Singular vectors have no sign of their own; this fixes one on every machine.
    largest = factors[np.abs(factors).argmax(axis=0), np.arange(factors.shape[1])]
    return np.asarray(factors * np.where(largest < 0, -1, 1))


def _spectrum(matrix: Floats) -> tuple[Floats, Floats]:
    """Squared singular values (r,) above zero and right singular vectors (p, r) of (n, p)."""
    wide = matrix.shape[0] < matrix.shape[1]
    values, vectors = np.linalg.eigh(matrix @ matrix.T if wide else matrix.T @ matrix)
    positive = values > 1e-9 * max(values.max(initial=0.0), 1e-12)
    values, vectors = values[positive], vectors[:, positive]
    return values, matrix.T @ vectors / np.sqrt(values) if wide else vectors


def _block_weights(features: Floats, behaviour: Floats, n_blocks: int) -> Floats:
    """Weights (p,) of features: 1 in the first block, and one of a few in all later ones.

    It is the one with which behaviour is predicted best, so that a block that says nothing, such
    as titles that are mere names, takes nothing from the others.
    """
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    later = np.arange(features.shape[1]) * n_blocks >= features.shape[1]
    tried = [np.where(later, weight, 1.0) for weight in _LATER_BLOCKS if later.any()]
    if not tried:
        return np.ones(features.shape[1], dtype=np.float32)
    errors = [_ridge(centred * weights, behaviour)[1] for weights in tried]
    return np.asarray(tried[int(np.argmin(errors))], dtype=np.float32)


def _ridge(centred: Floats, targets: Floats) -> tuple[Floats, float]:
    """Coefficients (p, c) of ridge regressions from (n, p) to targets (n, c), and their error.

    With X = U √v Aᵀ, strength λ shrinks direction r of a target by v_r / (v_r + λ). The λ of each
    target has the least ‖y - ŷ‖² / (n - 1 - Σ_r v_r / (v_r + λ))²: error over squared freedom.
    """
    n = len(centred)
    targets = targets - targets.mean(axis=0)
    variances, axes = _spectrum(centred)
    projected = axes.T @ (centred.T @ targets)  # r c
    energy = projected**2 / variances[:, None]
    unexplained = np.maximum((targets**2).sum(axis=0) - energy.sum(axis=0), 0.0)
    strengths = _STRENGTHS * variances.sum() / max(1, n)
    remains = strengths[:, None] / (strengths[:, None] + variances)  # s r
    errors = unexplained + remains**2 @ energy  # s c
    freedom = n - 1 - (1 - remains).sum(axis=1)
    gcv = errors / np.maximum(freedom, 1e-9)[:, None] ** 2
    chosen = gcv.argmin(axis=0)
    components = np.asarray(axes @ (projected / (variances[:, None] + strengths[chosen])))
    return components, float(gcv.min(axis=0).sum())


def fit_reducers(
    tokens: Mapping[str, TokenTable], train: Interactions, n_components: int, seed: int
) -> dict[str, CrossFitted]:
    """One reducer a modality, fitted on the items with training events that have it."""
    reducers = {}
    for name, table in tokens.items():
        features, present = table.at()
        choices = choices_by_item(train, table.n_items)
        rows = np.flatnonzero(present & (choices.getnnz(axis=1) > 0))
        if len(rows):
            blocks = len(BLOCKS.get(name, (name,)))
            reducers[name] = CrossFitted.fit(
                features[rows], rows, choices, n_components, seed, blocks
            )
    return reducers


def choices_by_item(train: Interactions, n_items: int) -> csr_matrix:
    """Who chose what (n_items, n_users); each user's column has unit length."""
    counts = np.bincount(train.users) if len(train) else np.zeros(1)
    weights = 1 / np.sqrt(np.maximum(counts, 1))[train.users]
    return csr_matrix((weights, (train.items, train.users)), shape=(n_items, len(counts)))

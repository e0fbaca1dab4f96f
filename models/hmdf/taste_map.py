"""From what an item is to the taste of those who will choose it: a ridge regression."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.baselines import ALS, ALSConfig
from models.data import Bools, Dataset, Floats, Ints
from models.hmdf.similarity import ContentSimilarity
from models.protocol import Recommender

_PENALTY = 300.0
_FACTORS = 16
_CONFIDENCE = 5.0


@dataclass(frozen=True)
class Tastes:
    """What content predicts of items.

    Attributes:
        by_modality: (m, n_items, f) the vector of taste that each modality adds, in the order of
            `ContentSimilarity.spaces`; that of all is their sum.
        popularity: (n_items,) log(1 + events).
    """

    by_modality: Floats
    popularity: Floats

    @cached_property
    def whole(self) -> Floats:
        """The vectors of taste (n_items, f)."""
        total: Floats = self.by_modality.sum(axis=0)
        return total


@dataclass(frozen=True)
class TasteMap:
    """y(z) = W z, fitted to the vectors y that matrix factorisation has of items with events.

    (Attributes to factors: Gantner et al. 2010. Here linear, over the principal components of each
    modality and a flag that says whether it is there.)

    Attributes:
        weights: (q, f + 1) of all modalities one below the other; the last column predicts
            log(1 + events), the last row is what holds without any content.
    """

    weights: Floats

    @staticmethod
    def of(content: ContentSimilarity, targets: Floats, known: Bools) -> "TasteMap":
        """Fits to the `known` (n_items,) of the items; see `targets_of`."""
        matrix = _matrix(content)[known]
        gram = matrix.T @ matrix
        gram.flat[:: len(gram) + 1] += _PENALTY
        return TasteMap(np.linalg.solve(gram, matrix.T @ targets[known]).astype(np.float32))

    def tastes(self, content: ContentSimilarity) -> Tastes:
        """What is predicted of every item of the content."""
        matrix, stop, parts = _matrix(content), 0, []
        for space in content.spaces.values():
            start, stop = stop, stop + space.vectors.shape[1] + 1
            parts.append(matrix[:, start:stop] @ self.weights[start:stop])
        # What holds for every item is nobody's: the first modality carries it.
        parts[0] += self.weights[-1]
        both = np.stack(parts)
        return Tastes(both[..., :-1].copy(), both[..., -1].sum(axis=0))


def by_others(content: ContentSimilarity, targets: Floats, known: Bools, folds: Ints) -> Tastes:
    """Predicts each item by a map that was fitted without the items of its fold.

    Args:
        content: of the items.
        targets: (n_items, f + 1) of `targets_of`.
        known: (n_items,) which items have events.
        folds: (n_items,) fold of each item.
    """
    by_fold = [
        TasteMap.of(content, targets, known & (folds != fold)).tastes(content)
        for fold in range(int(folds.max(initial=0)) + 1)
    ]
    places = np.arange(len(folds))
    return Tastes(
        np.stack([tastes.by_modality for tastes in by_fold])[folds, :, places]
        .transpose(1, 0, 2)
        .copy(),
        np.stack([tastes.popularity for tastes in by_fold])[folds, places],
    )


def factors_of(dataset: Dataset, seed: int, fitted: Iterable[Recommender] = ()) -> ALS:
    """The factorisation whose vectors are predicted.

    Args:
        dataset: that is factorised.
        seed: of the first vectors.
        fitted: models of the same events, among which it may be.
    """
    config = ALSConfig(factors=_FACTORS, confidence=_CONFIDENCE, seed=seed)
    same = (one for one in fitted if isinstance(one, ALS) and one.config == config)
    return next(same, None) or ALS(config).fit(dataset)


def targets_of(factors: ALS, counts: Sequence[int] | np.ndarray) -> Floats:
    """Vectors of taste and log(1 + events) side by side (n_items, f + 1)."""
    return np.column_stack([factors.learned("items"), np.log1p(counts)]).astype(np.float32)


def _matrix(content: ContentSimilarity) -> Floats:
    """Vectors of each modality with its flag of presence, and a 1: (n_items, q)."""
    parts = [np.column_stack([space.vectors, space.present]) for space in content.spaces.values()]
    return np.column_stack([*parts, np.ones(len(parts[0]))]).astype(np.float32)

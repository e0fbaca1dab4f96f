"""Which item follows which, as two short vectors an item: where the id embeddings begin."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags

from models.data import Bools, Floats, Interactions, Ints
from models.singular_vectors import leading_singular_vectors
from models.warm_start import rotation

_STEPS = 20
_DECAY = 0.9
_SMOOTHING = 5.0
_POWER = 0.3
_FOLDS = 5
_MOST_EVENTS = 1_000_000


@dataclass(frozen=True)
class TransitionFactors:
    """Vectors [R_i; W_i] of the items with R_i · W_j ≈ how often j follows i.

    T_ij = Σ .9^(s - 1) over pairs of events of one user, i before j and s ≤ 20 steps apart, over
    ((n_i + 5) (n_j + 5))^.3. Its truncated singular value decomposition U S Vᵀ is the best of that
    rank (Eckart and Young 1936): R = U √S, W = V √S. Word vectors are such factors of the counts
    of a window, too (Levy and Goldberg 2014).

    Training users are part of T. So that the network does not trust it more than it will hold for
    users to come, each fold of users is trained with the factors of the others' T (stacking,
    Wolpert 1992), in the same basis: R = T V / √S, W = Tᵀ U / √S.

    Attributes:
        whole: (n_items, 2 rank) of all users.
        folds: (f, n_items, 2 rank) of all users but the fold's.
        fold_of: (n_users,) the fold of a user.
    """

    whole: Floats
    folds: Floats
    fold_of: Ints

    @staticmethod
    def fit(
        events: Interactions, n_users: int, n_items: int, rank: int, seed: int
    ) -> "TransitionFactors":
        """The factors of events sorted by user, then time.

        Of more than a million events, those of a seeded draw of users are counted.
        """
        rng = np.random.default_rng(seed)
        fold_of = (rng.permutation(n_users) % _FOLDS).astype(np.int32)
        users = rng.random(n_users) * len(events) < _MOST_EVENTS
        parts = [
            _Transitions.of(events.take((users & (fold_of == fold))[events.users]), n_items)
            for fold in range(_FOLDS)
        ]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        left, values, right = _svd(total.normalised(), rank)
        root = np.sqrt(np.maximum(values, 1e-9 * max(values.max(initial=0.0), 1e-12)))
        rest = [((total + part * -1.0) * (_FOLDS / (_FOLDS - 1))).normalised() for part in parts]
        return TransitionFactors(
            _side_by_side(left * root, right * root),
            np.stack([_side_by_side(x @ (right / root), x.T @ (left / root)) for x in rest]),
            fold_of,
        )

    def turned_to(self, earlier: Floats, learned: Bools) -> "TransitionFactors":
        """The same factors in the basis of the vectors that an earlier fit made of such factors.

        Args:
            earlier: (n, 2 rank) those of the items that it learned of.
            learned: (n_items,) which items these are.
        """
        rank = earlier.shape[1] // 2
        both = self.whole[learned].reshape(-1, rank)
        turn = rotation(both, earlier.reshape(-1, rank))

        def turned(factors: Floats) -> Floats:
            rotated: Floats = factors.reshape(*factors.shape[:-1], 2, rank) @ turn
            return rotated.reshape(factors.shape)

        return replace(self, whole=turned(self.whole), folds=turned(self.folds))


@dataclass(frozen=True)
class _Transitions:
    """Weighted counts of pairs (n_items, n_items) and of events (n_items,)."""

    pairs: csr_matrix
    counts: Floats

    @staticmethod
    def of(events: Interactions, n_items: int) -> "_Transitions":
        pairs = csr_matrix((n_items, n_items), dtype=np.float32)
        for step in range(1, min(_STEPS, len(events) - 1) + 1):
            same = events.users[step:] == events.users[:-step]
            ends = events.items[:-step][same], events.items[step:][same]
            weights = np.full(len(ends[0]), _DECAY ** (step - 1), dtype=np.float32)
            pairs = pairs + coo_matrix((weights, ends), shape=pairs.shape).tocsr()
        return _Transitions(pairs, np.bincount(events.items, minlength=n_items).astype(np.float32))

    def __add__(self, other: "_Transitions") -> "_Transitions":
        return _Transitions(self.pairs + other.pairs, self.counts + other.counts)

    def __mul__(self, factor: float) -> "_Transitions":
        return _Transitions(self.pairs * np.float32(factor), self.counts * np.float32(factor))

    def normalised(self) -> csr_matrix:
        scale = diags((self.counts + _SMOOTHING) ** -_POWER)
        return (scale @ self.pairs @ scale).tocsr()


def _svd(matrix: csr_matrix, rank: int) -> tuple[Floats, Floats, Floats]:
    """U (n, r), S (r,) and V (n, r)."""
    left, values, right = leading_singular_vectors(matrix, rank)
    # Singular vectors have no sign of their own; this fixes one on every machine.
    signs = np.sign(left[np.abs(left).argmax(axis=0), np.arange(rank)])
    return left * signs, values, right.T * signs


def _side_by_side(read: Floats, wanted: Floats) -> Floats:
    return np.concatenate([read, wanted], axis=1).astype(np.float32)

"""EASE: a linear item-to-item model in closed form."""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse
from scipy.linalg import lapack

from models.baselines.configured import (
    BaselineConfig,
    ConfiguredBaseline,
    sparse_arrays,
)
from models.baselines.cooccurrence import gram
from models.baselines.recency import choice_matrix, history_matrix
from models.baselines.sparse_sums import sums_over
from models.data import Dataset, Floats, Histories, Ints
from models.training import one_blas_thread


class EASEConfig(BaselineConfig):
    """Settings of EASE."""

    strength: float = Field(default=300.0, gt=0, description="Ridge penalty λ.")
    decay: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="Weight of an event of a history over that of the one after it; 1 is EASE as "
        "published.",
    )
    most_items: int = Field(
        default=20_000,
        ge=1,
        description="Items that are scored, those chosen most; the others score 0. The memory "
        "grows with their square: 1.6 GB for 20,000, unless there are fewer users.",
    )


class SingularError(ValueError):
    """A matrix that has to be inverted cannot be."""


class EASE(ConfiguredBaseline[EASEConfig]):
    """scores = h B with B = argmin ‖X - X B‖² + λ ‖B‖², diag B = 0 (Steck 2019).

    With P = (XᵀX + λI)⁻¹, B_ij = -P_ij / P_jj off the diagonal. Where there are fewer users than
    items, the inverse is taken on their side: λP = I - Xᵀ K X with K = (XXᵀ + λI)⁻¹ (Woodbury
    1950). h is a history whose old events weigh less by `decay`. X holds the `most_items` items
    that are chosen most.
    """

    family = name = "ease"
    settings_type = EASEConfig
    stored = ("left", "kept")

    @one_blas_thread()
    def fit(self, dataset: Dataset) -> Self:
        """Inverts one matrix, of the smaller side of the training choices.

        Raises:
            SingularError: the penalty is too small for the machine's precision.
        """
        train = dataset.train
        choices = choice_matrix(train.users, train.items, dataset.n_users, dataset.n_items)
        most_chosen = self._most_chosen(choices)
        choices = choices[:, most_chosen]
        if dataset.n_users < len(most_chosen):
            by_item = sparse.csr_array(choices.T)
            user_side = inverse(gram(by_item), self.config.strength) @ choices  # K X: u n
            explained = choices.multiply(user_side).sum(axis=0)
            self._remember(
                dataset,
                kept=most_chosen,
                left=np.asarray(user_side, dtype=np.float32),
                told=np.asarray(explained, dtype=np.float32),
                **sparse_arrays("choosers", by_item),
            )
        else:
            weights = inverse(gram(choices), self.config.strength)
            weights /= -np.diag(weights)
            np.fill_diagonal(weights, 0)
            self._remember(dataset, kept=most_chosen, left=weights)
        return self

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items); 0 for items without training events or beyond the most."""
        n_items, most_chosen = len(self.learned("ties")), self.learned("kept")
        history = history_matrix(users, n_items, self.config.decay)
        if len(most_chosen) == n_items:
            return self._of_kept(history, slice(None) if items is None else items)
        wanted = np.arange(n_items) if items is None else items
        place = np.full(n_items, -1)
        place[most_chosen] = np.arange(len(most_chosen))
        scored = place[wanted] >= 0
        scores = np.zeros((len(users), len(wanted)), dtype=np.float32)
        scores[:, scored] = self._of_kept(history[:, most_chosen], place[wanted][scored])
        return scores

    def _of_kept(self, history: sparse.csr_array, chosen: Ints | slice) -> Floats:
        """Scores (n_users, k) of places (k,) among the kept items; a slice copies nothing.

        With few users `left` is K X, not B. With q = diag(XᵀKX), which is 1 - λP_jj and kept as
        `told`: B = (XᵀKX - diag q) / (1 - q), so h B = (h Xᵀ K X - q ⊙ h) / (1 - q).
        """
        if "told" not in self.arrays:
            weights = self.learned("left")
            return np.asarray(history @ weights[:, chosen], dtype=np.float32)
        user_side = self.learned("left")
        choosers = self.matrix("choosers", len(user_side))
        alike = sums_over(history, choosers, None)  # h Xᵀ: b u
        past = history[:, chosen].toarray()
        explained = self.arrays["told"][chosen]
        return np.asarray(
            (alike @ user_side[:, chosen] - explained * past) / (1 - explained), dtype=np.float32
        )

    def _most_chosen(self, choices: sparse.csr_array) -> Ints:
        """Dense indexes (k,) of the items chosen most, ascending; among equals the first ones."""
        counts = np.bincount(choices.indices, minlength=choices.shape[1])
        most = np.argsort(-counts, kind="stable")[: self.config.most_items]
        return np.sort(most).astype(np.int32)


def inverse(products: NDArray[np.float32], strength: float) -> NDArray[np.float32]:
    """(G + λI)⁻¹ of a symmetric positive G (n, n) float32, computed in G's own memory.

    Args:
        products: G, of which only what lies on and below the diagonal is read.
        strength: λ.

    Raises:
        SingularError: G + λI is not positive definite at this precision.
    """
    if not len(products):
        return products
    products.flat[:: len(products) + 1] += strength
    factor, failed = lapack.spotrf(products.T, lower=0, overwrite_a=1, clean=0)
    if not failed:
        factor, failed = lapack.spotri(factor, lower=0, overwrite_c=1)
    if failed:
        raise SingularError(
            f"EASE cannot invert its matrix with strength {strength}; raise the strength."
        )
    upper: NDArray[np.float32] = factor
    # LAPACK fills one triangle; the other is its mirror.
    rows = range(0, len(upper), _ROWS)
    for start in rows:
        block = slice(start, start + _ROWS)
        upper[block, :start] = upper[:start, block].T
        square = upper[block, block]
        # Written over and not corrected by a difference: what is left in the other triangle is so
        # much larger than the inverse that a sum of both keeps two of its digits.
        square[:] = np.triu(square) + np.triu(square, 1).T
    return upper


_ROWS = 512

"""Implicit-feedback matrix factorisation by alternating least squares."""

from typing import Self

import numpy as np
from pydantic import Field
from scipy import sparse

from models.baselines._history_kernels import add_own_products
from models.baselines.configured import BaselineConfig, ConfiguredBaseline
from models.baselines.folding_in import fold_in
from models.baselines.recency import choice_matrix, history_weights
from models.data import Dataset, Floats, Histories, Ints
from models.training import one_blas_thread


class ALSConfig(BaselineConfig):
    """Settings of implicit ALS."""

    factors: int = Field(default=64, ge=1, description="Size of user and item vectors.")
    confidence: float = Field(
        default=1.0, gt=0, description="How much more an event counts than its absence, α."
    )
    strength: float = Field(default=10.0, gt=0, description="Ridge penalty λ of every vector.")
    iterations: int = Field(default=10, ge=1, description="Rounds over users and items.")
    solver_steps: int = Field(
        default=3, ge=1, description="Conjugate gradient steps a vector and round."
    )


class ALS(ConfiguredBaseline[ALSConfig]):
    """min Σ_ui c_ui (p_ui - x_u · y_i)² + λ (Σ ‖x_u‖² + Σ ‖y_i‖²) (Hu, Koren and Volinsky 2008).

    p is 1 where there is an event, with confidence c = 1 + α, else 0 with c = 1. Each side is
    solved by conjugate gradients from the last round's vectors (Takács, Pilászy and Tikk 2011). A
    user at request time is solved from his history alone.
    """

    family = name = "als"
    settings_type = ALSConfig
    stored = ("items", "gram")

    @one_blas_thread()
    def fit(self, dataset: Dataset) -> Self:
        """Alternates between users and items."""
        train = dataset.train
        choices = choice_matrix(train.users, train.items, dataset.n_users, dataset.n_items)
        _, items = factorise(choices, self.config)
        self._remember(dataset, items=items, gram=items.T @ items)
        return self

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items)."""
        vectors = self.learned("items")
        chosen = vectors if items is None else vectors[items]
        scores: Floats = self.user_vectors(users) @ chosen.T
        return scores

    def user_vectors(self, users: Histories) -> Floats:
        """Vectors (n_users, factors) of what the users did."""
        vectors = self.learned("items")
        history, config = history_weights(users, len(vectors)), self.config
        return fold_in(history, vectors, self.learned("gram"), config.confidence, config.strength)


def factorise(choices: sparse.csr_array, config: ALSConfig) -> tuple[Floats, Floats]:
    """User (n_users, f) and item vectors (n_items, f) of choices (n_users, n_items)."""
    rng = np.random.default_rng(config.seed)
    by_item = sparse.csr_array(choices.T)
    users, items = (
        (rng.standard_normal((n, config.factors)) * 0.01).astype(np.float32) for n in choices.shape
    )
    for _ in range(config.iterations):
        users = solved(users, items, choices, items.T @ items, config, config.solver_steps)
        items = solved(items, users, by_item, users.T @ users, config, config.solver_steps)
    # An item that nobody chose has nothing to solve for; what is left of its start is noise.
    items[np.diff(by_item.indptr) == 0] = 0
    return users, items


def solved(
    start: Floats,
    others: Floats,
    choices: sparse.csr_array,
    gram: Floats,
    config: ALSConfig,
    steps: int,
) -> Floats:
    """Vectors x (n, f) of (YᵀY + λI + α Σ_i w_i y_i y_iᵀ) x = (1 + α) Σ_i w_i y_i over a row's
    choices i.

    Args:
        start: (n, f) where the conjugate gradients begin.
        others: Y (m, f), the other side's vectors.
        choices: (n, m) weights w, 1 where an event counts in full.
        gram: YᵀY (f, f).
        config: α and λ.
        steps: gradient steps.
    """
    common = gram.copy()
    common.flat[:: len(common) + 1] += config.strength

    def applied(x: Floats) -> Floats:
        return np.asarray(x @ common + config.confidence * _own_products(others, choices, x))

    x: Floats = start.copy()
    residual = (1 + config.confidence) * (choices @ others) - applied(x)
    direction = residual.copy()
    energy = np.einsum("nf,nf->n", residual, residual)
    for _ in range(steps):
        moved = applied(direction)
        curvature = np.einsum("nf,nf->n", direction, moved)
        step = np.divide(energy, curvature, out=np.zeros_like(energy), where=curvature > 0)
        x += step[:, None] * direction
        residual -= step[:, None] * moved
        left = np.einsum("nf,nf->n", residual, residual)
        share = np.divide(left, energy, out=np.zeros_like(left), where=energy > 0)
        direction = residual + share[:, None] * direction
        energy = left
    return x


def _own_products(others: Floats, choices: sparse.csr_array, x: Floats) -> Floats:
    """Σ_i w_i y_i (y_i · x_n) over the choices i of each row n: (n, f)."""
    products = np.zeros_like(x)
    starts = np.require(choices.indptr, np.int64)
    columns = np.require(choices.indices, np.int32)
    add_own_products(starts, columns, choices.data, others, x, products)
    return products

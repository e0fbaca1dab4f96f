"""Vectors of users from their histories: the equations hold, however many choices there are."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.baselines.folding_in import fold_in
from models.baselines.recency import HistoryWeights

FACTORS, ITEMS = 12, 40


@given(
    st.lists(st.lists(st.integers(0, ITEMS - 1), max_size=30), max_size=12),
    st.floats(0.1, 40),
    st.floats(0.01, 20),
    st.integers(0, 5),
)
def test_the_vectors_solve_their_equations(
    chosen: list[list[int]], confidence: float, strength: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((ITEMS, FACTORS)).astype(np.float32)
    gram = vectors.T @ vectors
    weights = [0.9 ** np.arange(len(items), dtype=np.float32) for items in chosen]
    history = HistoryWeights(
        np.concatenate([[0], np.cumsum([len(items) for items in chosen])]).astype(np.int64),
        np.array([item for items in chosen for item in items], dtype=np.int32),
        np.concatenate([np.zeros(0, np.float32), *weights]).astype(np.float32),
    )
    found = fold_in(history, vectors, gram, confidence, strength)
    assert found.shape == (len(chosen), FACTORS) and found.dtype == np.float32
    for x, items, w in zip(found, chosen, weights, strict=True):
        own = vectors[items].astype(np.float64)
        left = gram + strength * np.eye(FACTORS) + confidence * (own.T * w) @ own
        right = (1 + confidence) * (w @ own)
        np.testing.assert_allclose(x, np.linalg.solve(left, right), rtol=1e-3, atol=1e-4)


def test_weights_that_are_no_numbers_show_in_the_vectors() -> None:
    history = HistoryWeights(np.array([0, 2]), np.array([0, 1], np.int32), np.ones(2, np.float32))
    vectors = np.ones((ITEMS, FACTORS), dtype=np.float32)
    vectors[1] = np.nan
    for gram in (vectors.T @ vectors, np.eye(FACTORS, dtype=np.float32)):
        assert np.isnan(fold_in(history, vectors, gram, 1.0, 1.0)).any()

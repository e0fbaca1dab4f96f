"""Scores of several comparisons as one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serving.searching import fused

N_ITEMS = 2_000


def noise(queries: int, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(queries, N_ITEMS)).astype(np.float32)
    return (drawn - drawn.mean(axis=1, keepdims=True)) / drawn.std(axis=1, keepdims=True)


def everywhere(scores: np.ndarray) -> np.ndarray:
    return np.ones(scores.shape, dtype=bool)


@given(st.integers(1, 5), st.floats(0.1, 10))
def test_the_same_comparison_again_says_nothing_new(times: int, weight: float) -> None:
    once = noise(1)
    weights = np.full(times, weight, dtype=np.float32)
    again = fused(np.repeat(once, times, axis=0), everywhere(np.repeat(once, times, 0)), weights)
    np.testing.assert_allclose(again, once[0], atol=1e-4)


def test_neither_few_nor_many_comparisons_bring_an_item_to_the_front() -> None:
    scores, usable = noise(4), everywhere(noise(4))
    usable[1:, : N_ITEMS // 2] = False
    found = fused(scores, usable, np.ones(4, dtype=np.float32))
    first = np.argsort(-found)[:200]
    assert 80 < (first < N_ITEMS // 2).sum() < 120


def test_what_an_item_lacks_is_not_read_and_nothing_at_all_is_last() -> None:
    scores, usable = noise(2), everywhere(noise(2))
    usable[1, 0], usable[:, 1] = False, False
    weights = np.array([1.0, 2.0], dtype=np.float32)
    found = fused(scores, usable, weights)
    scores[1, 0], scores[:, 1] = 1e9, 1e9
    np.testing.assert_array_equal(fused(scores, usable, weights), found)
    assert found[1] == -np.inf and np.isfinite(np.delete(found, 1)).all()

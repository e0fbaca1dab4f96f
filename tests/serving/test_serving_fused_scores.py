"""Scores of several comparisons as one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serving.searching import fused

N_ITEMS = 2_000


def noise(queries: int, seed: int = 0, n_items: int = N_ITEMS) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(queries, n_items))
    return (drawn - drawn.mean(axis=1, keepdims=True)) / drawn.std(axis=1, keepdims=True)


def fuse(scores: np.ndarray, usable: np.ndarray, weights: object = None) -> np.ndarray:
    ones = np.ones(len(scores))
    return fused(scores, usable, ones if weights is None else np.asarray(weights, float), ones)


@given(st.integers(1, 5), st.floats(1e-30, 1e30))
def test_the_same_comparison_again_says_nothing_new(times: int, weight: float) -> None:
    again = np.repeat(noise(1), times, axis=0)
    found = fuse(again, np.ones(again.shape, dtype=bool), np.full(times, weight))
    np.testing.assert_allclose(found, again[0], atol=1e-9)


@given(st.floats(1e-30, 1e30), st.integers(0, 99))
def test_only_the_proportions_of_weights_count(factor: float, seed: int) -> None:
    scores, weights = noise(3, seed, 50), np.array([1.0, 0.2, 3.0])
    usable = np.random.default_rng(seed).random(scores.shape) < 0.7
    found, other = (fuse(scores, usable, own) for own in (weights, weights * factor))
    np.testing.assert_allclose(found, other)


@given(st.integers(0, 9_999), st.integers(1, 4), st.integers(0, 3))
def test_few_shared_items_blow_nothing_up(seed: int, queries: int, shared: int) -> None:
    scores = noise(queries, seed, 60)
    usable = np.random.default_rng(seed).random(scores.shape) < 0.5
    usable[-1] = False
    usable[-1, :shared] = True
    found = fuse(scores, usable)
    reached = usable.any(axis=0)
    assert np.isneginf(found[~reached]).all()
    largest = np.abs(np.where(usable, scores, 0)).max(axis=0)
    assert (np.abs(found[reached]) <= np.sqrt(queries) * largest[reached] + 1e-9).all()


def test_neither_few_nor_many_comparisons_bring_an_item_to_the_front() -> None:
    scores = noise(4)
    usable = np.ones(scores.shape, dtype=bool)
    usable[1:, : N_ITEMS // 2] = False
    first = np.argsort(-fuse(scores, usable))[:200]
    assert 80 < (first < N_ITEMS // 2).sum() < 120


def test_what_an_item_lacks_is_not_read_and_nothing_at_all_is_last() -> None:
    scores = noise(2)
    usable = np.ones(scores.shape, dtype=bool)
    usable[1, 0], usable[:, 1] = False, False
    found = fuse(scores, usable, [1, 2])
    scores[1, 0], scores[:, 1] = np.nan, 1e9
    np.testing.assert_array_equal(fuse(scores, usable, [1, 2]), found)
    assert found[1] == -np.inf and np.isfinite(np.delete(found, 1)).all()


def test_a_scale_counts_where_it_is_the_only_comparison_too() -> None:
    scores = noise(1)
    halved = fused(scores, np.ones(scores.shape, dtype=bool), np.ones(1), np.full(1, 0.5))
    np.testing.assert_allclose(halved, scores[0] / 2)

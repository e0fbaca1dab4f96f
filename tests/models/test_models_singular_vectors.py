"""Singular vectors, also of matrices on which ARPACK starts over."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from models.reducers import behaviour_factors
from models.singular_vectors import leading_singular_vectors


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(5, 30), st.integers(5, 30), st.integers(1, 4))
def test_they_are_the_leading_ones_of_the_whole_decomposition(
    seed: int, n: int, m: int, rank: int
) -> None:
    matrix = np.random.default_rng(seed).standard_normal((n, m))
    left, values, right = leading_singular_vectors(csr_matrix(matrix), rank)
    exact = np.linalg.svd(matrix)
    np.testing.assert_allclose(values, exact[1][:rank], rtol=1e-6)
    approximated = (exact[0][:, :rank] * exact[1][:rank]) @ exact[2][:rank]
    np.testing.assert_allclose((left * values) @ right, approximated, atol=1e-6)


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_users_of_one_event_give_the_same_factors_again(seed: int) -> None:
    """All their choices are orthogonal, and a start of ones would span nothing else."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, 301)
    items = rng.choice(300, 2000, p=share / share.sum())
    choices = csr_matrix((np.ones(2000), (items, np.arange(2000))), shape=(300, 2000))
    first = behaviour_factors(choices, 32)
    assert all((behaviour_factors(choices, 32) == first).all() for _ in range(3))


@pytest.mark.parametrize("side", [20, 2000])
def test_a_matrix_of_fewer_singular_values_than_are_asked_for_has_zeros(side: int) -> None:
    nothing = csr_matrix((side, side), dtype=np.float64)
    assert not leading_singular_vectors(nothing, 16)[1].any()
    single = csr_matrix(([3.0], ([4], [7])), shape=(side, side))
    left, values, right = leading_singular_vectors(single, 16)
    np.testing.assert_allclose(values, [3.0] + [0.0] * 15, atol=1e-9)
    assert ((left * values) @ right)[4, 7] == pytest.approx(3.0)

"""Standardised numbers: what is alike everywhere must say nothing, however it is rounded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.sequences import Scale
from models.standardisation import Standardisation


@given(st.floats(-1e3, 1e3, width=32), st.integers(1, 9_742))
def test_a_constant_column_is_known_as_one(value: float, rows: int) -> None:
    found = Standardisation.of(np.full((rows, 2), value, dtype=np.float32))
    np.testing.assert_array_equal(found.deviation, 1)


@pytest.mark.parametrize("value", [0.1, 0.7, 5.0])
def test_events_of_one_value_have_deviation_one(value: float) -> None:
    scale = Scale.of(np.full(9_742, value, dtype=np.float32))
    other = scale(np.array([value + 1], dtype=np.float32))
    np.testing.assert_allclose(other, 1, atol=1e-3)


def test_numbers_too_close_to_have_a_deviation_stay_finite() -> None:
    close = np.array([[0.0], [1e-30]], dtype=np.float32)
    assert np.isfinite(Standardisation.of(close).unit(close)).all()
    assert np.isfinite(Scale.of(close[:, 0])(close[:, 0])).all()


def test_columns_that_differ_get_mean_0_and_deviation_1() -> None:
    features = np.random.default_rng(3).normal(4, 7, (500, 3)).astype(np.float32)
    found = Standardisation.of(features)
    scaled = (features - found.mean) / found.deviation
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-4)

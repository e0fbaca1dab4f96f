from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation import (
    bootstrap_interval,
    compared,
    holm,
    paired_difference,
    paired_differences,
    paired_ratio,
    paired_ratios,
    tie_sensitivity,
)

P_VALUES = st.lists(
    st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.01, 0.05, 1.0, float("nan")])), max_size=7
)


def closed_testing(p: np.ndarray) -> np.ndarray:
    """Marcus, Peritz and Gabriel (1976) with Bonferroni's test of every intersection: a hypothesis
    falls where every set of hypotheses that holds it does."""
    made = [i for i in range(len(p)) if not np.isnan(p[i])]
    sets = [s for size in range(1, len(made) + 1) for s in combinations(made, size)]
    adjusted = np.full(len(p), np.nan)
    for i in made:
        adjusted[i] = max(min(1.0, len(s) * p[list(s)].min()) for s in sets if i in s)
    return adjusted


@settings(max_examples=200, deadline=None)
@given(P_VALUES)
def test_holm_is_the_closed_test_of_bonferroni(p: list[float]) -> None:
    given_p = np.array(p, dtype=np.float64)
    np.testing.assert_allclose(holm(given_p), closed_testing(given_p), rtol=1e-12)


@given(P_VALUES)
def test_holm_keeps_the_order_and_never_lowers_a_p(p: list[float]) -> None:
    made = np.array([one for one in p if not np.isnan(one)])
    adjusted = holm(made)
    assert (adjusted >= made).all() and (adjusted <= 1).all()
    order = np.argsort(made, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm(np.array([0.04, 0.01, 0.03])), [0.06, 0.03, 0.06])


def test_holm_seldom_errs_about_any_of_many_equal_models() -> None:
    rng = np.random.default_rng(5)
    wrong_alone = wrong = 0
    for trial in range(60):
        base = rng.normal(size=120)
        p = np.array(
            [paired_difference(base, rng.normal(size=120), 999, trial).p for _ in range(8)]
        )
        wrong_alone += bool((p < 0.05).any())
        wrong += bool((holm(p) < 0.05).any())
    assert wrong <= 8 < wrong_alone


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_a_ratio_of_proportional_models_is_certain(seed: int, times: float) -> None:
    b = np.random.default_rng(seed).random(30) + 0.01
    found = paired_ratio(times * b, b, 200, seed)
    np.testing.assert_allclose([found.ratio, found.low, found.high], times, rtol=1e-9)


def test_a_ratio_is_of_means_over_the_users_both_have() -> None:
    a = np.array([1.0, 0.5, np.nan, 0.3, 0.2])
    b = np.array([0.5, 0.0, 0.3, np.nan, 0.1])
    found = paired_ratio(a, b, 500, 0)
    assert found.n_users == 3
    assert found.ratio == pytest.approx(1.7 / 0.6)
    assert found.low <= found.ratio <= found.high


def test_a_ratio_without_a_divisor_is_nothing_and_a_rare_one_unbounded() -> None:
    a = np.ones(4)
    assert np.isnan(paired_ratio(a, np.zeros(4)).ratio)
    assert np.isnan(paired_ratio(a[:0], a[:0]).ratio)
    rare = paired_ratio(a, np.array([1.0, 0, 0, 0]), 500, 1)
    assert rare.ratio == 4.0 and 1 <= rare.low < 4 and rare.high == np.inf


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 4))
def test_many_pairs_at_once_are_each_pair_alone(seed: int, n_users: int, pairs: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.random((n_users, pairs)), np.where(rng.random((n_users, pairs)) < 0.5, 0, 0.3)
    differences, ratios = paired_differences(a, b, 150, seed), paired_ratios(a, b, 150, seed)
    for column in range(pairs):
        alone = paired_difference(a[:, column], b[:, column], 150, seed)
        np.testing.assert_allclose(
            [*vars(differences[column]).values()], [*vars(alone).values()], rtol=1e-9, atol=1e-12
        )
        times = paired_ratio(a[:, column], b[:, column], 150, seed)
        np.testing.assert_allclose(
            [*vars(ratios[column]).values()], [*vars(times).values()], rtol=1e-9
        )


def test_pairs_without_users_are_nothing() -> None:
    nobody = np.zeros((0, 3))
    assert len(paired_differences(nobody, nobody)) == len(paired_ratios(nobody, nobody)) == 3
    assert all(np.isnan(one.p) for one in paired_differences(nobody, nobody))
    assert np.isnan(bootstrap_interval(nobody).low).sum() == 3


def test_intervals_of_a_ratio_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for trial in range(80):
        skill = rng.gamma(1.0, size=400)
        a = 1.5 * skill * rng.gamma(2.0, 0.5, size=400)
        b = skill * rng.gamma(2.0, 0.5, size=400)
        found = paired_ratio(a, b, 300, trial)
        covered += found.low <= 1.5 <= found.high
    assert 68 <= covered <= 80


def test_tie_sensitivity_measures_once_a_seed() -> None:
    def figures(seed: int) -> np.ndarray:
        return np.array([seed / 10, np.nan, 0.0])

    found = tie_sensitivity(figures, (1, 2, 6))
    np.testing.assert_allclose(found.means, [0.05, 0.1, 0.3])
    assert found.mean == pytest.approx(0.15) and found.spread == pytest.approx(0.25)
    assert len(tie_sensitivity(figures).means) == 5


@given(st.integers(2, 40), st.integers(0, 1000))
def test_tables_that_are_compared_together_are_those_compared_alone(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, other, tables = rng.random((n, 5)), rng.random((n, 5)), np.array([1, 0, 1, 1, 0])
    together = compared(values, other, 50, seed, tables=tables.tolist())
    for table in (0, 1):
        places = np.flatnonzero(tables == table)
        alone = compared(values[:, places], other[:, places], 50, seed)
        for place, comparison in zip(places, alone, strict=True):
            assert vars(together[place]) == pytest.approx(vars(comparison))

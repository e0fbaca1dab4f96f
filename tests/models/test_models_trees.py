"""Compiled trees say what LightGBM says, and so do their exact Shapley values."""

import logging
from concurrent.futures import ThreadPoolExecutor

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data import Floats
from models.trees import CompiledTrees, LightGBMTrees, grouped, of_boosters

N_FEATURES = 12


def table(rows: int, seed: int, missing: bool = True) -> Floats:
    """Counts, sparse numbers and dense ones; a third of the columns has NaN."""
    draws = np.random.default_rng(seed)
    found = draws.normal(size=(rows, N_FEATURES)).astype(np.float32)
    found[:, :4] = np.round(np.abs(found[:, :4]) * 3)
    found[:, 4:8] *= draws.random((rows, 4)) < 0.4
    if missing:
        found[:, ::3][draws.random((rows, 4)) < 0.3] = np.nan
    return found


def fitted(seed: int = 0, trees: int = 20, missing: bool = True, **settings: object) -> lgb.Booster:
    """A ranker over a hundred groups of ten rows."""
    features = table(1000, seed, missing)
    whole = np.nan_to_num(features)
    score = whole[:, 0] + whole[:, 5] * whole[:, 9] - np.isnan(features[:, 3])
    return lgb.train(
        {
            "objective": "lambdarank",
            "num_leaves": 15,
            "min_data_in_leaf": 5,
            "num_threads": 1,
            "seed": seed,
            "verbosity": -1,
        }
        | settings,
        lgb.Dataset(
            features,
            label=(score > np.quantile(score, 0.8)).astype(np.float32),
            group=np.full(100, 10),
            categorical_feature=[0] if settings.get("min_data_per_group") else "auto",
        ),
        trees,
    )


def awkward(rows: int, seed: int) -> Floats:
    """Rows unlike those of the training: NaN anywhere, infinities, zeros of both signs."""
    draws = np.random.default_rng(seed)
    found = table(rows, seed)
    for value in (np.nan, np.inf, -np.inf, 0.0, -0.0):
        found[draws.random(found.shape) < 0.05] = value
    return found


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    leaves=st.sampled_from([2, 3, 15, 31, 33, 64]),
    missing=st.booleans(),
    rows=st.sampled_from([1, 7, 64, 65, 200]),
)
def test_scores_and_contributions_are_those_of_lightgbm(
    seed: int, leaves: int, missing: bool, rows: int
) -> None:
    booster = fitted(seed, missing=missing, num_leaves=leaves)
    trees, asked = CompiledTrees([booster]), awkward(rows, seed)

    scores = trees.score(asked)
    parts, base = trees.contributions(asked)

    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, booster.predict(asked).astype(np.float32))
    wanted = booster.predict(asked, pred_contrib=True)
    np.testing.assert_allclose(parts, wanted[:, :-1], rtol=1e-5, atol=1e-7)
    assert base == pytest.approx(wanted[0, -1], rel=1e-6, abs=1e-9)
    np.testing.assert_allclose(parts.sum(axis=1) + base, scores, rtol=1e-5, atol=1e-6)


def test_a_value_at_a_threshold_goes_where_lightgbm_sends_it() -> None:
    booster = fitted()
    nodes = booster.trees_to_dataframe().dropna(subset=["split_feature"])
    asked = table(len(nodes), 1)
    column = nodes.split_feature.str.removeprefix("Column_").astype(int).to_numpy()
    near = nodes.threshold.to_numpy().clip(-1e30, 1e30).astype(np.float32)

    for values in (near, np.nextafter(near, np.float32(9)), np.nextafter(near, np.float32(-9))):
        asked[np.arange(len(nodes)), column] = values
        np.testing.assert_array_equal(
            CompiledTrees([booster]).score(asked), booster.predict(asked).astype(np.float32)
        )


def test_bags_answer_with_their_mean() -> None:
    bags = [fitted(seed, trees=5 + seed) for seed in range(3)]
    asked = awkward(50, 4)

    compiled, own = CompiledTrees(bags), LightGBMTrees(bags)

    np.testing.assert_allclose(compiled.score(asked), own.score(asked), rtol=1e-6, atol=1e-7)
    parts, base = compiled.contributions(asked)
    wanted, wanted_base = own.contributions(asked)
    np.testing.assert_allclose(parts, wanted, rtol=1e-5, atol=1e-7)
    assert base == pytest.approx(wanted_base)


def test_a_forest_without_any_split_scores_all_alike() -> None:
    booster = fitted(trees=2, min_data_in_leaf=900)
    asked = table(5, 0)

    parts, base = CompiledTrees([booster]).contributions(asked)

    np.testing.assert_array_equal(CompiledTrees([booster]).score(asked), booster.predict(asked))
    assert not parts.any()
    assert base == pytest.approx(booster.predict(asked)[0])


def test_no_rows_have_no_scores() -> None:
    trees = CompiledTrees([fitted(trees=2)])

    assert trees.score(np.zeros((0, N_FEATURES), dtype=np.float32)).shape == (0,)


def test_how_a_table_lies_in_memory_changes_no_score() -> None:
    trees, asked = CompiledTrees([fitted(trees=5)]), awkward(20, 5)
    fixed = asked.copy()
    fixed.flags.writeable = False

    for table_ in (fixed, np.asfortranarray(asked), np.repeat(asked, 2, axis=0)[::2]):
        np.testing.assert_array_equal(trees.score(table_), trees.score(asked))


def test_threads_that_ask_at_once_hear_what_one_would() -> None:
    trees = CompiledTrees([fitted()])
    tables = [awkward(300, seed) for seed in range(8)]

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(trees.score, tables))

    for found, asked in zip(together, tables, strict=True):
        np.testing.assert_array_equal(found, trees.score(asked))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"zero_as_missing": True}, "zero for missing"),
        ({"num_leaves": 80, "min_data_in_leaf": 2}, "leaves, above 64"),
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "averaged forest"),
        ({"min_data_per_group": 1, "cat_smooth": 0.0}, "categorical split"),
    ],
)
def test_trees_that_cannot_be_compiled_are_answered_by_lightgbm_and_the_log_says_so(
    settings: dict[str, object], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    booster = fitted(**settings)
    asked = table(30, 2)

    with caplog.at_level(logging.WARNING):
        trees = of_boosters([booster])

    assert why in caplog.text
    wanted = booster.predict(asked, raw_score=True).astype(np.float32)
    np.testing.assert_array_equal(trees.score(asked), wanted)


def test_reasons_of_leaves_that_depend_on_very_many_features_are_lightgbms_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    draws = np.random.default_rng(6)
    asked = draws.random((400, 30)).astype(np.float32)
    # The first feature that is set says the value, so that the trees are chains.
    wanted = (asked > 0.9).argmax(axis=1).astype(np.float32)
    chains = {"num_leaves": 31, "min_data_in_leaf": 1, "num_threads": 1, "verbosity": -1}
    booster = lgb.train(chains, lgb.Dataset(asked, label=wanted), 20)

    with caplog.at_level(logging.WARNING):
        trees = CompiledTrees([booster])

    assert "tables" in caplog.text
    parts, base = trees.contributions(asked)
    np.testing.assert_allclose(parts.sum(axis=1) + base, trees.score(asked), rtol=1e-5, atol=1e-5)


def test_rows_of_other_features_are_refused() -> None:
    with pytest.raises(ValueError, match=r"12 features.*\(3, 11\)"):
        CompiledTrees([fitted(trees=2)]).score(np.zeros((3, 11), dtype=np.float32))


def test_boosters_of_other_features_do_not_become_one() -> None:
    other = lgb.train(
        {"num_threads": 1, "verbosity": -1},
        lgb.Dataset(table(100, 0)[:, :5], label=np.arange(100)),
        2,
    )

    with pytest.raises(ValueError, match="different numbers of features"):
        of_boosters([fitted(trees=2), other])


def test_parts_by_group_sum_to_the_score_less_its_base() -> None:
    trees, asked = CompiledTrees([fitted()]), awkward(40, 3)
    parts, base = trees.contributions(asked)
    groups = np.arange(N_FEATURES, dtype=np.int32) % 3

    found = grouped(parts, groups, 4)

    np.testing.assert_allclose(found[:, 1], parts[:, 1::3].sum(axis=1))
    assert not found[:, 3].any()
    np.testing.assert_allclose(found.sum(axis=1) + base, trees.score(asked), rtol=1e-5, atol=1e-6)

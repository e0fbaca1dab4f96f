"""What a fitted model does with other item tokens: subsets, Shapley values, loss, permutation."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise, permutations
from math import factorial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.baselines import Popularity
from models.data import Dataset, Histories, Interactions, TokenTable, Vocabulary
from models.evaluation import (
    EvaluationConfig,
    SubsetValues,
    evaluate,
    losers,
    missing_curve,
    permuted,
    shapley_values,
    subset_values,
    user_measure,
)
from models.mmnn import MMNN, MMNNConfig
from models.persistence import NotFittedError
from models.protocol import Maskable
from models.splits import cold_item

N_USERS, N_ITEMS, N_COLD, N_GROUPS = 60, 60, 20, 4


def world() -> tuple[Dataset, Interactions, np.ndarray]:
    """Users who like one of four kinds of items; text says the kind, image half of it, sound is
    noise. The last items are cold, and the test is about them."""
    rng = np.random.default_rng(0)
    kind = np.arange(N_ITEMS) % N_GROUPS
    warm = np.arange(N_ITEMS) < N_ITEMS - N_COLD
    chosen = [
        (
            rng.permutation(np.flatnonzero((kind == user % N_GROUPS) & warm))[:8],
            rng.permutation(np.flatnonzero((kind == user % N_GROUPS) & ~warm))[:2],
        )
        for user in range(N_USERS)
    ]
    train = events([early for early, _ in chosen], 0)
    test = events([late for _, late in chosen], 1)
    halves = np.eye(2)[kind // 2] + 0.1 * rng.standard_normal((N_ITEMS, 2))
    tokens = {
        "text": tokens_of(np.eye(N_GROUPS)[kind] + 0.05 * rng.standard_normal((N_ITEMS, N_GROUPS))),
        "image": tokens_of(halves),
        "audio": tokens_of(rng.standard_normal((N_ITEMS, 6))),
    }
    dataset = Dataset(
        Vocabulary(tuple(f"u{n}" for n in range(N_USERS))),
        Vocabulary(tuple(f"i{n}" for n in range(N_ITEMS))),
        train,
        train.take(np.zeros(len(train), bool)),
        tokens,
        np.zeros((len(train), 0), np.float32),
    )
    return dataset, test, ~warm


def events(items: list[np.ndarray], time: int) -> Interactions:
    users = np.repeat(np.arange(len(items)), [len(own) for own in items])
    n = len(users)
    return Interactions(
        users.astype(np.int32),
        np.concatenate(items).astype(np.int32),
        np.ones(n, np.float32),
        time * 10**6 + np.arange(n, dtype=np.int64),
    )


def tokens_of(features: np.ndarray) -> TokenTable:
    n = len(features)
    return TokenTable(
        n, np.arange(n, dtype=np.int32), np.zeros(n, np.int64), features.astype(np.float32)
    )


@pytest.fixture(scope="module")
def fitted() -> tuple[MMNN, Dataset, Interactions, np.ndarray]:
    dataset, test, cold = world()
    config = MMNNConfig(dim=16, components=4, epochs=8, batch_size=64)
    return MMNN(config).fit(dataset), dataset, test, cold


def test_with_its_own_tokens_a_masked_model_is_the_model(fitted, tmp_path: Path) -> None:
    model, dataset, _, _ = fitted
    assert isinstance(model, Maskable) and not isinstance(Popularity(), Maskable)
    users, items = dataset.histories(), np.tile(np.arange(6, dtype=np.int32), (N_USERS, 1))
    model.save(tmp_path)
    for one in (model, MMNN.load(tmp_path)):
        same = one.masked(dataset.tokens)
        np.testing.assert_array_equal(same.score(users), model.score(users))
        shares, expected = (m.explain(users, items).shares for m in (same, model))
        np.testing.assert_array_equal(shares, expected)


def test_a_masked_model_leaves_the_model_as_it_was_and_reads_only_its_tokens(fitted) -> None:
    model, dataset, _, _ = fitted
    users = dataset.histories()
    before = model.score(users)
    nothing = model.masked({})
    np.testing.assert_array_equal(model.score(users), before)
    cold = nothing.score(users)[:, -N_COLD:]
    np.testing.assert_allclose(cold, np.broadcast_to(cold[:, :1], cold.shape), rtol=1e-5, atol=1e-6)
    without_text = {name: table for name, table in dataset.tokens.items() if name != "text"}
    place = model.modalities.index("text")
    masked = model.masked(without_text)
    np.testing.assert_allclose(masked.items.codes, model.items.ablated[place], rtol=1e-5, atol=1e-6)
    ranking = masked.recommend(users, 3)
    expected = np.sort(masked.score(users), axis=1)[:, :-4:-1]
    np.testing.assert_array_equal(ranking.scores, expected)


def test_an_unfitted_model_cannot_be_masked() -> None:
    with pytest.raises(NotFittedError, match="call fit"):
        MMNN().masked({})


def test_a_measure_is_what_the_evaluation_says(fitted) -> None:
    model, dataset, test, cold = fitted
    found = evaluate(
        model,
        dataset,
        test,
        split="s",
        run_id="r",
        candidates=cold,
        config=EvaluationConfig(cutoffs=(5,), samples=10),
    )
    for metric in ("ndcg", "recall"):
        measure = user_measure(dataset, test, metric=metric, k=5, candidates=cold)
        np.testing.assert_array_equal(measure(model), found.per_user[metric, 5])


def test_shapley_values_find_what_each_modality_tells(fitted) -> None:
    model, dataset, test, cold = fitted
    measure = user_measure(dataset, test, candidates=cold, k=5)
    names = ("text", "image", "audio", "reviews")
    found = subset_values(model, dataset.tokens, names, measure)
    assert found.values.shape == (16, N_USERS)
    np.testing.assert_array_equal(found.of(*names), measure(model))
    text, image, audio, reviews = shapley_values(found).mean(axis=1)
    assert text > image > abs(audio) and image > 0.05
    assert reviews == pytest.approx(0, abs=1e-12)


def test_modalities_that_are_not_named_are_kept(fitted) -> None:
    model, dataset, test, cold = fitted
    measure = user_measure(dataset, test, candidates=cold)
    found = subset_values(model, dataset.tokens, ("audio",), measure)
    rest = {name: dataset.tokens[name] for name in ("text", "image")}
    np.testing.assert_array_equal(found.of("audio"), measure(model))
    np.testing.assert_array_equal(found.of(), measure(model.masked(rest)))
    assert found.values.shape[0] == 2


def test_rows_of_subsets_are_named() -> None:
    subsets = SubsetValues(("a", "b", "c"), np.arange(8.0)[:, None])
    names = list(subsets.subsets())
    assert names[0] == () and names[-1] == ("a", "b", "c") and len(set(names)) == 8
    for row, kept in enumerate(names):
        assert subsets.of(*kept) == subsets.of(*reversed(kept)) == [row]
    with pytest.raises(ValueError):
        subsets.of("d")


@st.composite
def games(draw: st.DrawFn) -> SubsetValues:
    m, n_users = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return SubsetValues(tuple("abcde"[:m]), rng.normal(size=(2**m, n_users)))


@settings(max_examples=60, deadline=None)
@given(games())
def test_shapley_values_are_means_over_all_orders(game: SubsetValues) -> None:
    names = game.modalities
    by_orders = np.zeros((len(names), game.values.shape[1]))
    for order in permutations(range(len(names))):
        for place, j in enumerate(order):
            before = [names[i] for i in order[:place]]
            by_orders[j] += game.of(*before, names[j]) - game.of(*before)
    found = shapley_values(game)
    np.testing.assert_allclose(found, by_orders / factorial(len(names)), atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=0), game.of(*names) - game.of(), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(games(), st.data())
def test_what_adds_nothing_gets_nothing(game: SubsetValues, data: st.DataObject) -> None:
    dummy = data.draw(st.integers(0, len(game.modalities) - 1))
    rows = np.arange(len(game.values))
    indifferent = replace(game, values=game.values[rows & ~(1 << dummy)])
    found = shapley_values(indifferent)
    np.testing.assert_allclose(found[dummy], 0, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(games(), st.data())
def test_equal_modalities_get_equal_shares(game: SubsetValues, data: st.DataObject) -> None:
    a, b = (data.draw(st.integers(0, len(game.modalities) - 1)) for _ in range(2))
    rows = np.arange(len(game.values))
    bit_a, bit_b = rows >> a & 1, rows >> b & 1
    swapped = rows & ~(1 << a) & ~(1 << b) | bit_a << b | bit_b << a
    alike = replace(game, values=(game.values + game.values[swapped if a != b else rows]) / 2)
    found = shapley_values(alike)
    np.testing.assert_allclose(found[a], found[b], atol=1e-12)


@st.composite
def tables(draw: st.DrawFn) -> TokenTable:
    n_items = draw(st.integers(1, 25))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(0, 40))
    items, known_at = rng.integers(0, n_items, n), rng.integers(0, 9, n)
    order = np.lexsort((known_at, items))
    features = np.arange(n, dtype=np.float32)[:, None]
    return TokenTable(
        n_items, items[order].astype(np.int32), known_at[order].astype(np.int64), features
    )


@settings(max_examples=80, deadline=None)
@given(tables(), st.integers(0, 1000))
def test_who_has_lost_a_modality_does_not_get_it_back(table: TokenTable, seed: int) -> None:
    has = np.unique(table.items)
    masks = [losers(table, share, seed) for share in (0, 0.25, 0.5, 0.75, 1)]
    for less, more in pairwise(masks):
        assert (more | ~less).all()
    assert [int(mask.sum()) for mask in masks] == [
        round(share * len(has)) for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    np.testing.assert_array_equal(np.flatnonzero(masks[-1]), has)


@pytest.mark.parametrize("seed", [0, 1, 42])
def test_a_split_of_the_same_seed_does_not_decide_who_loses_or_swaps(seed: int) -> None:
    n = 2000
    nobody = events([np.zeros(0, np.int64)], 0)
    cold = cold_item(nobody, n, seed).test_candidates
    assert cold is not None
    table = tokens_of(np.arange(n)[:, None])
    assert 0.2 < losers(table, 0.25, seed)[cold].mean() < 0.3
    given = permuted(table, seed).features[:, 0].astype(np.int64)
    assert 0.15 < cold[given[cold]].mean() < 0.25


def test_a_share_beyond_one_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        losers(tokens_of(np.zeros((3, 1))), 1.5, 0)


def test_a_curve_falls_from_the_model_to_the_model_without_the_modality(fitted) -> None:
    model, dataset, test, cold = fitted
    measure = user_measure(dataset, test, candidates=cold, k=5)
    curve = missing_curve(model, dataset.tokens, "text", measure)
    assert curve.values.shape == (5, N_USERS)
    np.testing.assert_array_equal(curve.values[0], measure(model))
    rest = {name: table for name, table in dataset.tokens.items() if name != "text"}
    np.testing.assert_array_equal(curve.values[-1], measure(model.masked(rest)))
    means = curve.values.mean(axis=1)
    assert means[0] > means[2] > means[4]
    with pytest.raises(ValueError, match="No item has 'video'"):
        missing_curve(model, dataset.tokens, "video", measure)


@settings(max_examples=80, deadline=None)
@given(tables(), st.integers(0, 1000))
def test_permuted_tokens_are_the_same_ones_at_other_items(table: TokenTable, seed: int) -> None:
    moved = permuted(table, seed)
    assert sorted(moved.features[:, 0]) == sorted(table.features[:, 0])
    np.testing.assert_array_equal(np.unique(moved.items), np.unique(table.items))
    order = np.lexsort((moved.known_at, moved.items))
    np.testing.assert_array_equal(order, np.arange(len(order)))

    def contents(of: TokenTable) -> Mapping[int, list[tuple[float, int]]]:
        rows = zip(of.items.tolist(), of.features[:, 0].tolist(), of.known_at.tolist(), strict=True)
        made: dict[int, list[tuple[float, int]]] = {}
        for item, feature, instant in rows:
            made.setdefault(item, []).append((feature, instant))
        return made

    before, after = contents(table), contents(moved)
    assert sorted(before.values()) == sorted(after.values())
    if len(before) > 1:
        assert all(after[item] != before[item] for item in before)


def test_permuting_what_tells_the_kind_takes_the_gain_away(fitted) -> None:
    model, dataset, test, cold = fitted
    measure = user_measure(dataset, test, candidates=cold, k=5)
    text, audio = (
        measure(model.masked({**dataset.tokens, name: permuted(dataset.tokens[name], 3)})).mean()
        for name in ("text", "audio")
    )
    whole = measure(model).mean()
    assert text < whole - 0.1 and audio > whole - 0.05


def test_a_user_of_a_masked_model_may_be_new(fitted) -> None:
    model, _, _, _ = fitted
    assert np.isfinite(model.masked({}).score(Histories.empty(2))).all()

"""Baselines against brute force, and what each is for."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.baselines import (
    ALS,
    EASE,
    ALSConfig,
    ColdStartMap,
    ContentPopularity,
    EASEConfig,
    ItemKNN,
    ItemKNNConfig,
    RecentPopularity,
    RecentPopularityConfig,
    Transition,
    TransitionConfig,
)
from models.baselines.ease import inverse
from models.baselines.recency import history_matrix
from models.catalogue.families import load_model
from models.data import Dataset, Histories, Interactions, TokenTable, Vocabulary
from models.persistence import ModelFormatError
from models.protocol import Recommender

DAY = 86_400_000_000
MODELS = (
    RecentPopularity,
    ItemKNN,
    EASE,
    Transition,
    ALS,
    ColdStartMap,
    ContentPopularity,
)


def logged(rows: list[tuple[int, int, int]], n_users: int, n_items: int) -> Dataset:
    """A dataset of (user, item, time) rows without validation events."""
    table = np.array(sorted(rows, key=lambda row: (row[0], row[2])), dtype=np.int64).reshape(-1, 3)
    events = Interactions(
        table[:, 0].astype(np.int32),
        table[:, 1].astype(np.int32),
        np.ones(len(table), np.float32),
        table[:, 2],
    )
    return Dataset(
        Vocabulary(tuple(f"u{n}" for n in range(n_users))),
        Vocabulary(tuple(f"i{n}" for n in range(n_items))),
        events,
        events.take(np.zeros(len(events), dtype=bool)),
        {},
        np.zeros((len(events), 0), np.float32),
    )


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    n_users, n_items = draw(st.integers(1, 9)), draw(st.integers(2, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    chosen = np.argwhere(rng.random((n_users, n_items)) < draw(st.floats(0.1, 0.9)))
    times = rng.permutation(len(chosen)) * DAY
    rows = [(int(u), int(i), int(t)) for (u, i), t in zip(chosen, times, strict=True)]
    return logged(rows, n_users, n_items)


def dense(dataset: Dataset) -> np.ndarray:
    matrix = np.zeros((dataset.n_users, dataset.n_items))
    matrix[dataset.train.users, dataset.train.items] = 1
    return matrix


@settings(max_examples=50, deadline=None)
@given(datasets())
def test_ease_is_its_closed_form_on_either_side(dataset: Dataset) -> None:
    chosen = dense(dataset)
    inverse = np.linalg.inv(chosen.T @ chosen + 3.0 * np.eye(dataset.n_items))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    found = EASE(EASEConfig(strength=3.0, decay=1.0)).fit(dataset).score(dataset.histories())
    np.testing.assert_allclose(found, chosen @ weights, atol=1e-4)


@pytest.mark.parametrize("n", [60, 700])
def test_an_inverse_keeps_the_digits_of_single_precision(n: int) -> None:
    """What it is computed in is a thousand times as large as what it holds."""
    rng = np.random.default_rng(3)
    chosen = (rng.random((2 * n, n)) < 0.3).astype(np.float32)
    gram = chosen.T @ chosen
    expected = np.linalg.inv(gram.astype(np.float64) + 300 * np.eye(n))
    found = inverse(gram, 300.0)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_array_equal(found, found.T)


@settings(max_examples=50, deadline=None)
@given(datasets(), st.integers(1, 4))
def test_ease_of_the_most_chosen_items_is_ease_without_the_others(
    dataset: Dataset, most: int
) -> None:
    chosen = dense(dataset)
    kept = np.sort(np.argsort(-(chosen > 0).sum(axis=0), kind="stable")[:most])
    inverse = np.linalg.inv(chosen[:, kept].T @ chosen[:, kept] + 3.0 * np.eye(len(kept)))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    expected = np.zeros_like(chosen)
    expected[:, kept] = chosen[:, kept] @ weights
    config = EASEConfig(strength=3.0, decay=1.0, most_items=most)
    found = EASE(config).fit(dataset).score(dataset.histories())
    np.testing.assert_allclose(found, expected, atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(datasets(), st.integers(1, 4), st.floats(0.1, 1.0))
def test_transitions_are_counts_along_the_histories(
    dataset: Dataset, steps: int, step_decay: float
) -> None:
    expected = np.zeros((dataset.n_items, dataset.n_items))
    for user in range(dataset.n_users):
        items = dataset.train.items[dataset.train.users == user]
        for place, item in enumerate(items):
            for ahead, later in enumerate(items[place + 1 : place + 1 + steps]):
                expected[item, later] += step_decay**ahead
    config = TransitionConfig(steps=steps, step_decay=step_decay, last=1, power=0.0)
    fitted = Transition(config).fit(dataset)
    last = Histories(
        np.arange(dataset.n_items + 1),
        np.arange(dataset.n_items, dtype=np.int32),
        np.ones(dataset.n_items, np.float32),
        np.zeros(dataset.n_items, np.int64),
        np.full(dataset.n_items, -1, np.int32),
    )
    np.testing.assert_allclose(fitted.score(last), expected, rtol=1e-5)


@settings(max_examples=50, deadline=None)
@given(datasets(), st.integers(1, 8))
def test_item_knn_keeps_the_nearest(dataset: Dataset, neighbours: int) -> None:
    chosen = dense(dataset)
    lengths = np.sqrt(chosen.sum(axis=0))
    alike = chosen.T @ chosen / np.maximum(np.outer(lengths, lengths) + 2.0, 1e-12)
    np.fill_diagonal(alike, 0)
    config = ItemKNNConfig(neighbours=neighbours, shrinkage=2.0, decay=1.0)
    fitted = ItemKNN(config).fit(dataset)
    one_each = logged([(n, n, 0) for n in range(dataset.n_items)], dataset.n_items, dataset.n_items)
    found = fitted.score(one_each.histories())
    kept = np.sort(alike, axis=1)[:, ::-1][:, :neighbours]
    np.testing.assert_allclose(np.sort(found, axis=1)[:, ::-1][:, : kept.shape[1]], kept, atol=1e-6)
    assert ((found == 0) | (np.abs(found - alike) < 1e-6)).all()


@settings(max_examples=30, deadline=None)
@given(datasets(), st.floats(0.1, 1.0), st.integers(1, 5))
def test_a_history_weighs_its_newest_event_one(dataset: Dataset, decay: float, last: int) -> None:
    users = dataset.histories()
    before = [users.items.copy(), users.offsets.copy()]
    found = history_matrix(users, dataset.n_items, decay, last).toarray()
    for user in range(len(users)):
        own = users.items[users.offsets[user] : users.offsets[user + 1]][::-1][:last]
        expected = np.zeros(dataset.n_items)
        expected[own] = decay ** np.arange(len(own))
        np.testing.assert_allclose(found[user], expected, rtol=1e-5)
    np.testing.assert_array_equal(users.items, before[0])
    np.testing.assert_array_equal(users.offsets, before[1])


def test_als_solves_what_it_says() -> None:
    rng = np.random.default_rng(0)
    chosen = np.argwhere(rng.random((30, 20)) < 0.3)
    dataset = logged([(int(u), int(i), n) for n, (u, i) in enumerate(chosen)], 30, 20)
    config = ALSConfig(factors=4, confidence=2.0, strength=1.0, iterations=5)
    fitted = ALS(config).fit(dataset)
    vectors = fitted.learned("items").astype(np.float64)
    matrix = dense(dataset)
    for user in range(5):
        own = vectors[matrix[user] > 0]
        left = vectors.T @ vectors + np.eye(4) + 2.0 * own.T @ own
        exact = np.linalg.solve(left, 3.0 * own.sum(axis=0))
        found = fitted.user_vectors(dataset.histories(np.array([user], np.int32)))[0]
        np.testing.assert_allclose(found, exact, rtol=1e-3, atol=1e-4)


def test_what_is_popular_now_beats_what_was() -> None:
    rows = [(user, 0, 0) for user in range(5)] + [(user, 1, 400 * DAY) for user in range(3)]
    dataset = logged(rows, 5, 3)
    recent = RecentPopularity(RecentPopularityConfig(half_life_days=100)).fit(dataset)
    assert recent.score(Histories.empty(2)).argmax(axis=1).tolist() == [1, 1]
    window = RecentPopularity(RecentPopularityConfig(window_days=30)).fit(dataset)
    assert window.score(Histories.empty())[0].tolist() == [0, 3, 0]


def content_driven(n_items: int = 120, n_users: int = 60) -> tuple[Dataset, np.ndarray]:
    """Users choose items whose text is near their taste; the last quarter of the items is cold."""
    rng = np.random.default_rng(3)
    text, taste = rng.standard_normal((n_items, 6)), rng.standard_normal((n_users, 6))
    liked = taste @ text.T > 1.5
    cold = np.arange(n_items) >= n_items * 3 // 4
    chosen = np.argwhere(liked & ~cold)
    rows = [(int(u), int(i), n) for n, (u, i) in enumerate(chosen)]
    everything = np.arange(n_items, dtype=np.int32)
    tokens = {
        "text": TokenTable(n_items, everything, np.zeros(n_items, np.int64), text.astype("f4")),
        "image": TokenTable(
            n_items,
            everything[:-5],
            np.zeros(n_items - 5, np.int64),
            rng.standard_normal((n_items - 5, 700)).astype("f4"),
        ),
    }
    return logged(rows, n_users, n_items).with_tokens(tokens), liked[:, cold]


def test_the_map_finds_items_that_nobody_had(tmp_path: Path) -> None:
    dataset, liked = content_driven()
    cold = np.arange(dataset.n_items - liked.shape[1], dataset.n_items, dtype=np.int32)
    fitted = ColdStartMap().fit(dataset)
    scores = fitted.score(dataset.histories(), cold)
    best = np.argsort(-scores, axis=1)[:, :3]
    precision = np.take_along_axis(liked, best, axis=1).mean()
    assert precision > 2 * liked.mean()
    blind = fitted.masked({}).score(dataset.histories(), cold)
    assert np.ptp(blind, axis=1).max() < 1e-5
    same = fitted.masked(dataset.tokens)
    np.testing.assert_allclose(same.score(dataset.histories(), cold), scores, atol=1e-6)
    # What nobody has asked for yet is there all the same, also where arrays are read-only, as
    # those are that Ray ships.
    for array in (*same.arrays.values(), *same._masked._codes_and_made):
        array.flags.writeable = False
    same.save(tmp_path)
    kept, everything = ColdStartMap.load(tmp_path), fitted.score(dataset.histories())
    np.testing.assert_allclose(kept.score(dataset.histories()), everything, atol=1e-6)


@pytest.mark.parametrize("family", MODELS)
def test_every_baseline_comes_back_and_answers_anyone(
    family: type[Recommender], tmp_path: Path
) -> None:
    dataset, _ = content_driven()
    fitted = family().fit(dataset)
    fitted.save(tmp_path)
    loaded = load_model(tmp_path)
    users = dataset.histories()
    np.testing.assert_array_equal(loaded.score(users), fitted.score(users))
    again = family().fit(dataset)
    np.testing.assert_array_equal(again.score(users), fitted.score(users))
    lists = fitted.recommend(users, 5, exclude=users).items
    had = dense(dataset)[np.arange(len(users))[:, None], lists]
    assert not had[lists >= 0].any()
    nobody = fitted.score(Histories.empty(), np.array([3, 1], np.int32))
    assert nobody.shape == (1, 2) and np.isfinite(nobody).all()


@pytest.mark.parametrize("family", MODELS)
def test_every_baseline_survives_an_empty_log(family: type[Recommender]) -> None:
    dataset, _ = content_driven()
    empty = logged([], 3, dataset.n_items).with_tokens(dataset.tokens)
    scores = family().fit(empty).score(Histories.empty(2))
    assert scores.shape == (2, dataset.n_items) and np.isfinite(scores).all()


def test_a_folder_of_another_version_is_refused(tmp_path: Path) -> None:
    dataset, _ = content_driven()
    EASE().fit(dataset).save(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"decay"', '"forgetting"'))
    with pytest.raises(ModelFormatError, match="fit the model again"):
        load_model(tmp_path)


def test_ease_says_what_to_do_where_it_cannot_invert() -> None:
    dataset, _ = content_driven()
    with pytest.raises(ValueError, match="strength"):
        EASE(EASEConfig(strength=0.0))
    assert np.isfinite(EASE(EASEConfig(strength=1e-3)).fit(dataset).learned("left")).all()

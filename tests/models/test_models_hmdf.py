"""The hybrid: what it learns from, and that it is worth its retrievers together."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walking_users import random_walks

from models.baselines import Popularity, Transition, TransitionConfig
from models.data import Histories, Interactions, TokenTable, Vocabulary
from models.evaluation import known_events
from models.families import load_model
from models.hmdf import HMDF, OF_ITEMS, OF_TIME, HMDFConfig, simple_cold_item_retrievers
from models.hmdf.candidates import Candidates, candidates_of
from models.hmdf.numbers import ItemNumbers, numbers_of
from models.hmdf.retrievers import simple_retrievers
from models.hmdf.slices import (
    Fold,
    before,
    each_judges,
    item_slices,
    label_slices,
    ninths,
    time_slices,
)
from models.hmdf.statistics import NAMES, ItemStatistics, statistics_of
from models.hmdf.trees import LabelledSlice, choose_rounds, shap_values
from models.persistence import ModelFormatError, NotFittedError

DAY = 86_400_000_000
SMALL = HMDFConfig(candidates=15, rounds=40, patience=10, leaf_rows=5, penalty=1.0)
walks = partial(random_walks, n_users=80, n_items=60, length=27, held=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_the_ninths_of_every_user_are_each_event_once(counts: list[int]) -> None:
    users = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    n = len(users)
    events = Interactions(users, np.zeros(n, np.int32), np.ones(n, np.float32), np.arange(n))
    parts = np.array([ninths(events, place, place + 1) for place in range(9)])
    assert (parts.sum(axis=0) == 1).all()
    places = parts.argmax(axis=0) if n else np.zeros(0)
    assert all((np.diff(places[users == user]) >= 0).all() for user in range(len(counts)))


def test_no_retriever_sees_a_label_of_its_slice() -> None:
    dataset = walks()
    known = dataset.train
    for first, stop in label_slices(3):
        past = before(dataset, known.take(ninths(known, 0, first)))
        labels = known.take(ninths(known, first, stop))
        newest = np.zeros(dataset.n_users, dtype=np.int64)
        for part in (past.train, past.validation):
            np.maximum.at(newest, part.users, part.timestamps)
        assert len(labels) and (labels.timestamps > newest[labels.users]).all()
        assert len(past.validation) == dataset.n_users


def test_no_retriever_sees_an_item_of_its_slice_of_items() -> None:
    dataset = walks()
    known = dataset.train.take(dataset.train.items % 7 > 0)
    parts = item_slices(dataset, known, 5, seed=3)
    folds = np.stack([part.candidates for part in parts]).sum(axis=0)
    assert (folds[np.unique(known.items)] == 1).all()
    for part in parts:
        assert part.candidates[part.labels.items].all() and len(part.labels)
        assert not part.candidates[part.past.items].any()
        assert not part.candidates[::7].any(), "an item without events may be what is asked about"
        assert len(part.labels) + len(part.past) == len(known)
    with pytest.raises(ValueError, match="5 folds"):
        item_slices(dataset, known, 6, seed=3)


def test_fitted_on_folds_of_items_it_finds_items_that_nobody_had(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    dataset = walks()
    n_items, n_users = 120, dataset.n_users
    text, taste = rng.standard_normal((n_items, 6)), rng.standard_normal((n_users, 6))
    liked = taste @ text.T > 1.5
    cold = np.arange(n_items) >= 90
    users, items = (part.astype(np.int32) for part in np.nonzero(liked & ~cold))
    events = Interactions(users, items, np.ones(len(users), np.float32), np.arange(len(users)))
    everything = np.arange(n_items, dtype=np.int32)
    rows = TokenTable(n_items, everything, np.zeros(n_items, np.int64), text.astype(np.float32))
    given = replace(
        dataset,
        item_ids=Vocabulary(tuple(f"i{n}" for n in range(n_items))),
        train=events,
        validation=events.take(np.zeros(len(events), dtype=bool)),
        tokens={"text": rows},
        context=np.zeros((len(events), 0), np.float32),
    )
    fitted = HMDF(simple_cold_item_retrievers, SMALL, slicing=OF_ITEMS).fit(given)
    scores = fitted.score(given.histories(), everything[cold])
    best = np.argsort(-scores, axis=1)[:, :3]
    assert np.take_along_axis(liked[:, cold], best, axis=1).mean() > 2 * liked[:, cold].mean()
    fitted.save(tmp_path)
    again = load_model(tmp_path).score(given.histories(), everything[cold])
    np.testing.assert_array_equal(again, scores)


def test_trees_are_judged_by_slices_that_may_judge_them() -> None:
    (last,) = OF_TIME.folds(4)
    assert last == Fold((0, 1, 2), 3), "nothing learns from what comes later"
    folds = OF_ITEMS.folds(4)
    assert [fold.judge for fold in folds] == [0, 1, 2, 3]
    assert all({*fold.fitted, fold.judge} == {0, 1, 2, 3} for fold in folds)


def test_every_judge_has_a_say_in_how_many_trees_there_are() -> None:
    rng = np.random.default_rng(11)
    slices = [labelled(rng, share) for share in (0.9, 0.3, 0.6)]
    settings = SMALL.model_copy(update={"rounds": 12, "patience": 12})
    folds = each_judges(3)
    together = choose_rounds(slices, folds, ("a", "b"), settings)
    alone = [choose_rounds(slices, [fold], ("a", "b"), settings) for fold in folds]
    curves = np.array([one.curve.validation for one in alone])
    np.testing.assert_allclose(together.curve.validation, curves.mean(axis=0), atol=1e-12)
    assert together.rounds == 1 + int(np.argmin(curves.mean(axis=0)))


def labelled(rng: np.random.Generator, told: float) -> LabelledSlice:
    """Forty users with ten candidates each, of whose choices the first feature tells a share."""
    rows, items = np.repeat(np.arange(40), 10), np.tile(np.arange(10), 40)
    features = rng.standard_normal((400, 2)).astype(np.float32)
    worth = told * features[:, 0] + (1 - told) * rng.standard_normal(400)
    best = np.zeros(400, dtype=bool)
    best[np.argmax(worth.reshape(40, 10), axis=1) + 10 * np.arange(40)] = True
    candidates = Candidates(rows.astype(np.int32), items.astype(np.int32), features)
    return LabelledSlice(candidates, best, np.ones(40, np.int32))


@pytest.mark.slow
def test_it_ranks_better_than_chance_and_is_kept_whole(tmp_path: Path) -> None:
    dataset = walks()
    fitted = HMDF(partial(simple_retrievers, seed=1), SMALL).fit(dataset)
    users = dataset.histories()
    lists = fitted.recommend(users, 3, exclude=users).items
    last = users.items[users.offsets[1:] - 1]
    wanted = (last + 3) % dataset.n_items
    had = np.zeros((dataset.n_users, dataset.n_items), dtype=bool)
    had[dataset.train.users, dataset.train.items] = True
    open_ = ~had[np.arange(len(users)), wanted]
    assert (lists == wanted[:, None]).any(axis=1)[open_].mean() > 0.5
    assert not np.take_along_axis(had, lists, axis=1).any()
    fitted.save(tmp_path)
    loaded = load_model(tmp_path)
    np.testing.assert_array_equal(loaded.score(users), fitted.score(users))
    assert isinstance(loaded, HMDF) and loaded.validated == fitted.validated > 0.3
    worth = fitted.feature_worth(users.rows(0, 5))
    assert {one.feature for one in worth} == set(fitted.bags[0].feature_name())
    assert worth[0].feature.startswith(("transition", "ease", "item_knn")) and worth[0].gain > 0
    again = HMDF(partial(simple_retrievers, seed=1), SMALL).fit(dataset)
    np.testing.assert_array_equal(again.score(users), fitted.score(users))


def test_only_what_may_be_shown_is_scored_and_newcomers_are_answered() -> None:
    dataset = walks()
    builders = {"popularity": Popularity, "transition": lambda: Transition(TransitionConfig())}
    fitted = HMDF(lambda _: builders, SMALL).fit(dataset)
    shown = np.array([5, 2, 9], np.int32)
    scores = fitted.score(Histories.empty(2), shown)
    assert scores.shape == (2, 3) and np.isfinite(scores).all()
    users = dataset.histories(np.arange(4, dtype=np.int32))
    found = fitted.candidates(users)
    told = shap_values(fitted.bags, found.features)
    np.testing.assert_allclose(
        told.sum(axis=1), fitted.score(users)[found.rows, found.items], atol=1e-4
    )


def test_what_no_candidate_reaches_counts_as_missed() -> None:
    candidates = Candidates(
        np.array([0, 0, 0, 2, 2], np.int32),
        np.array([4, 7, 8, 4, 5], np.int32),
        np.zeros((5, 1), np.float32),
    )
    chosen = np.array([False, True, False, False, False])
    part = LabelledSlice(candidates, chosen, np.array([1, 2, 1], np.int32))
    scores = np.array([0.3, 0.2, 0.1, 0.5, 0.4], np.float32)
    assert part.ndcg(scores) == pytest.approx(1 / np.log2(3) / 3)


def test_the_validated_figure_is_of_events_that_nothing_had_seen() -> None:
    """Choices drawn at random cannot be foreseen, though the final trees learn from them."""
    dataset = walks()
    none = dataset.validation.take(np.zeros(len(dataset.validation), dtype=bool))
    orderly = replace(dataset, validation=none)
    last = ninths(dataset.train, 8, 9)
    items = dataset.train.items.copy()
    rng = np.random.default_rng(5)
    for user in range(dataset.n_users):
        own = dataset.train.users == user
        unseen = np.setdiff1d(np.arange(dataset.n_items), items[own & ~last])
        items[own & last] = rng.choice(unseen, (own & last).sum(), replace=False)
    chance = replace(orderly, train=replace(dataset.train, items=items))
    settings = SMALL.model_copy(update={"candidates": 60})
    found = [
        HMDF(lambda _: {"transition": Transition}, settings).fit(given).validated
        for given in (chance, orderly)
    ]
    assert found[0] < 0.25 < found[1]


def test_statistics_count_what_was_before() -> None:
    events = Interactions(
        np.array([0, 0, 1, 1], np.int32),
        np.array([0, 1, 0, 2], np.int32),
        np.array([4, 2, 2, 5], np.float32),
        np.array([0, 100, 10, 40], np.int64) * DAY,
    )
    users = Histories.of(events, np.array([0, 1, -1], np.int32))
    rows, items = np.array([0, 0, 1, 2], np.int32), np.array([0, 2, 0, 0], np.int32)
    found = statistics_of(ItemStatistics.of(events, 4), users, rows, items)
    columns = dict(zip(NAMES, found.T, strict=True))
    np.testing.assert_allclose(columns["user_events"], np.log1p([2, 2, 2, 0]), rtol=1e-6)
    np.testing.assert_allclose(columns["user_mean_value"], [3, 3, 3.5, np.nan])
    np.testing.assert_allclose(columns["item_events"], np.log1p([2, 1, 2, 2]), rtol=1e-6)
    np.testing.assert_allclose(columns["item_events_30d"], np.log1p([0, 0, 1, 0]), rtol=1e-6)
    np.testing.assert_allclose(columns["item_mean_value"], [3, 5, 3, 3])
    np.testing.assert_allclose(columns["days_since_item_was_chosen"], [90, 60, 30, np.nan])
    np.testing.assert_allclose(columns["days_since_item_was_first_chosen"], [100, 60, 40, np.nan])


def test_events_of_the_last_month_are_counted_in_large_catalogues_over_decades() -> None:
    rng = np.random.default_rng(8)
    n, n_items = 20_000, 500
    events = Interactions(
        np.zeros(n, np.int32),
        rng.integers(n_items, size=n).astype(np.int32),
        np.ones(n, np.float32),
        np.sort(rng.integers(20 * 365, size=n)) * DAY,
    )
    users, items = Histories.of(events, np.zeros(1, np.int32)), np.arange(n_items, dtype=np.int32)
    found = statistics_of(ItemStatistics.of(events, n_items), users, np.zeros_like(items), items)
    now = events.timestamps[-1]
    last_month = (events.timestamps < now) & (events.timestamps >= now - 30 * DAY)
    expected = np.bincount(events.items[last_month], minlength=n_items)
    column = found[:, NAMES.index("item_events_30d")]
    np.testing.assert_allclose(column, np.log1p(expected), rtol=1e-6)


def test_what_a_retriever_cannot_score_is_no_candidate_of_its_own() -> None:
    scores = np.full((1, 300), -np.inf, np.float32)
    scores[0, ::30] = np.arange(10)
    found = candidates_of(
        {"narrow": scores},
        Histories.empty(),
        ItemStatistics.of(walks().train.take(np.zeros(0, np.int64)), 300),
        ItemNumbers.of({}, 300),
        np.arange(300, dtype=np.int32),
        120,
        np.ones(300, dtype=bool),
    )
    np.testing.assert_array_equal(found.items, np.arange(0, 300, 30))


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 100), st.floats(-10, 10), st.integers(0, 2**16))
def test_how_large_a_retrievers_scores_are_says_nothing(
    scale: float, shift: float, seed: int
) -> None:
    scores = np.random.default_rng(seed).standard_normal((1, 30)).astype(np.float32)
    scores[0, :3] = -np.inf
    told = standardised_of(scores)
    np.testing.assert_allclose([told.mean(), told.std()], [0, 1], atol=1e-5)
    larger = (scores * scale + shift).astype(np.float32)
    np.testing.assert_allclose(standardised_of(larger), told, atol=0.01)


def test_a_retriever_to_which_all_is_alike_says_nothing() -> None:
    assert not standardised_of(np.full((1, 30), 0.25, np.float32)).any()


def standardised_of(scores: np.ndarray) -> np.ndarray:
    """What the first feature says of all that a retriever scores."""
    n_items = scores.shape[1]
    found = candidates_of(
        {"one": scores},
        Histories.empty(),
        ItemStatistics.of(walks().train.take(np.zeros(0, np.int64)), n_items),
        ItemNumbers.of({}, n_items),
        np.arange(n_items, dtype=np.int32),
        n_items,
        np.ones(n_items, dtype=bool),
    )
    return found.features[:, 0]


def test_what_was_done_before_is_not_wanted_again() -> None:
    """Candidates leave it out, so that it would count as missed whatever the trees do."""
    dataset = walks()
    part = next(iter(time_slices(dataset, known_events(dataset), 2, 1)))
    again = part.past.take(np.arange(len(part.past)) % 9 == 0)
    labels = (part.labels, again)
    both = Interactions(
        *(
            np.concatenate([vars(one)[name] for one in labels])
            for name in ("users", "items", "values", "timestamps")
        )
    )
    model = HMDF(lambda _: {"popularity": Popularity}, SMALL).fit(dataset)
    once, twice = (
        model._labelled(dataset, part),
        model._labelled(
            dataset, replace(part, labels=both.take(np.argsort(both.users, kind="stable")))
        ),
    )
    users = np.isin(np.unique(both.users), np.unique(part.labels.users))
    np.testing.assert_array_equal(twice.wanted[users], once.wanted)


def test_who_only_did_again_what_they_had_done_is_not_asked() -> None:
    """Nothing could be foretold of them, and a mean over them would be no number."""
    dataset = walks()
    part = next(iter(time_slices(dataset, known_events(dataset), 2, 1)))
    nobody = int(part.labels.users[0])
    own = part.past.take(part.past.users == nobody)
    others = part.labels.take(part.labels.users != nobody)
    labels = Interactions(
        *(
            np.concatenate([vars(one)[name] for one in (own, others)])
            for name in ("users", "items", "values", "timestamps")
        )
    )
    model = HMDF(lambda _: {"popularity": Popularity}, SMALL).fit(dataset)
    found = model._labelled(dataset, replace(part, labels=labels))
    assert (found.wanted > 0).all()
    assert len(found.wanted) == len(np.unique(others.users))
    with pytest.raises(ValueError, match="no choices"):
        model._labelled(dataset, replace(part, labels=own))


def test_a_hybrid_that_is_not_fitted_says_so() -> None:
    with pytest.raises(NotFittedError):
        HMDF().score(Histories.empty())


def test_trees_of_other_features_are_refused(tmp_path: Path) -> None:
    fitted = HMDF(lambda _: {"popularity": Popularity}, SMALL).fit(walks())
    fitted.retrievers = {"another": fitted.retrievers["popularity"]}
    fitted.save(tmp_path)
    with pytest.raises(ModelFormatError, match="fit the model again"):
        load_model(tmp_path)


def test_numbers_are_told_beside_those_of_the_history() -> None:
    features = np.array([[1, 1990, 3], [0, 1995, 3], [1, 2001, 4], [0, 1980, 4]], np.float32)
    items = np.array([0, 1, 2, 4], np.int32)
    table = TokenTable(5, items, np.zeros(4, np.int64), features)
    numbers = ItemNumbers.of({"attributes": table}, 5)
    assert numbers.columns.tolist() == [1], "a column of two values is a flag"
    events = Interactions(
        np.array([0, 0, 1], np.int32),
        np.array([0, 4, 3], np.int32),
        np.ones(3, np.float32),
        np.arange(3),
    )
    users = Histories.of(events, np.array([0, 1, -1], np.int32))
    rows, asked = np.array([0, 0, 1, 2], np.int32), np.array([2, 3, 1, 1], np.int32)
    nan = np.nan
    expected = [[2001, 16, 11], [nan, nan, nan], [1995, nan, nan], [1995, nan, nan]]
    np.testing.assert_allclose(numbers_of(numbers, users, rows, asked), expected)
    assert len(numbers.names()) == 3
    hidden = numbers.masked({})
    assert np.isnan(numbers_of(hidden, users, rows, asked)).all()


def test_the_hybrid_listens_to_the_numbers_and_keeps_them(tmp_path: Path) -> None:
    """Users who go by year alone: nothing else says which of the new items they choose."""
    rng = np.random.default_rng(2)
    n_items, n_users = 150, 60
    year = rng.uniform(0, 10, n_items).astype(np.float32)
    until = rng.uniform(3, 9, n_users)
    liked = np.abs(year - until[:, None] + 0.5) < 0.5
    cold = np.arange(n_items) >= 110
    users, items = (part.astype(np.int32) for part in np.nonzero(liked & ~cold))
    events = Interactions(users, items, np.ones(len(users), np.float32), np.arange(len(users)))
    everything = np.arange(n_items, dtype=np.int32)
    rows = TokenTable(n_items, everything, np.zeros(n_items, np.int64), year[:, None])
    given = replace(
        walks(),
        user_ids=Vocabulary(tuple(f"u{n}" for n in range(n_users))),
        item_ids=Vocabulary(tuple(f"i{n}" for n in range(n_items))),
        train=events,
        validation=events.take(np.zeros(len(events), dtype=bool)),
        tokens={"attributes": rows},
        context=np.zeros((len(events), 0), np.float32),
    )
    small = SMALL.model_copy(update={"candidates": 150})
    fitted = HMDF(lambda _: {"popularity": Popularity}, small, slicing=OF_ITEMS).fit(given)
    scores = fitted.score(given.histories(), everything[cold])
    best = np.argsort(-scores, axis=1)[:, :3]
    assert np.take_along_axis(liked[:, cold], best, axis=1).mean() > 4 * liked[:, cold].mean()
    fitted.save(tmp_path)
    again = load_model(tmp_path).score(given.histories(), everything[cold])
    np.testing.assert_array_equal(again, scores)

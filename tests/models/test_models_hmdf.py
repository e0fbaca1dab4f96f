"""The hybrid: that it is worth its retrievers together, and is kept whole."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from walking_users import random_walks

from models.baselines import Popularity
from models.catalogue.families import load_model
from models.data import Dataset, Histories, Interactions, TokenTable, Vocabulary
from models.evaluation import known_events
from models.hmdf import (
    HMDF,
    OF_ITEMS,
    HMDFConfig,
    NothingToLearnError,
    Retrievers,
    cold_item_retrievers,
)
from models.hmdf.slices import time_slices
from models.persistence import ModelFormatError, NotFittedError
from models.trees import of_boosters

SMALL = HMDFConfig(candidates=15, rounds=40, patience=10, leaf_rows=5, penalty=1.0, threads=1)
walks = partial(random_walks, n_users=80, n_items=60, length=27, held=3)


def popular(_: Dataset) -> Retrievers:
    """The least: whatever is chosen most."""
    return Retrievers({"popularity": Popularity})


@pytest.fixture(scope="session")
def walked() -> HMDF:
    """Fitted to walks; for tests that only ask it."""
    return HMDF(SMALL).fit(walks())


@pytest.fixture(scope="session")
def tasting() -> HMDF:
    """Fitted to walks whose steps the items' text tells; for tests that only ask it."""
    return HMDF(SMALL).fit(taste_and_order())


def test_a_fitted_hybrid_says_what_it_learned_from_and_stays_as_it_is(walked: HMDF) -> None:
    dataset = walks()
    before = walked.score(dataset.histories())
    assert walked.labelled_slices(dataset)
    np.testing.assert_array_equal(walked.score(dataset.histories()), before)


@pytest.mark.slow
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
    fitted = HMDF(SMALL, cold_item_retrievers, slicing=OF_ITEMS).fit(given)
    scores = fitted.score(given.histories(), everything[cold])
    best = np.argsort(-scores, axis=1)[:, :3]
    assert np.take_along_axis(liked[:, cold], best, axis=1).mean() > 2 * liked[:, cold].mean()
    fitted.save(tmp_path)
    loaded = load_model(tmp_path)
    np.testing.assert_array_equal(loaded.score(given.histories(), everything[cold]), scores)
    again = fitted.refitted(given)
    np.testing.assert_array_equal(again.score(given.histories(), everything[cold]), scores)


@pytest.mark.slow
def test_it_ranks_better_than_chance_and_is_kept_whole(walked: HMDF, tmp_path: Path) -> None:
    dataset, fitted = walks(), walked
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
    orderly = ("next", "following", "contemporary", "linear", "same_hour", "preceding")
    assert worth[0].feature.startswith(orderly) and worth[0].gain > 0
    again = HMDF(SMALL).fit(dataset)
    np.testing.assert_array_equal(again.score(users), fitted.score(users))


def test_only_what_may_be_shown_is_scored_and_newcomers_are_answered() -> None:
    dataset = walks()
    fitted = HMDF(SMALL, popular).fit(dataset)
    shown = np.array([5, 2, 9], np.int32)
    scores = fitted.score(Histories.empty(2), shown)
    assert scores.shape == (2, 3) and np.isfinite(scores).all()
    users = dataset.histories(np.arange(4, dtype=np.int32))
    found = fitted.candidates(users)
    parts, begin = of_boosters(fitted.bags).contributions(found.features)
    np.testing.assert_allclose(
        parts.sum(axis=1) + begin, fitted.score(users)[found.rows, found.items], atol=1e-4
    )


def taste_and_order() -> Dataset:
    """Walks whose steps are plain from the items' text too."""
    dataset = walks()
    n_items = dataset.n_items
    angle = 2 * np.pi * np.arange(n_items) / n_items
    text = np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    everything = np.arange(n_items, dtype=np.int32)
    rows = TokenTable(n_items, everything, np.zeros(n_items, np.int64), text)
    return dataset.with_tokens({"text": rows})


def test_reasons_are_what_each_part_added_to_the_score(tasting: HMDF) -> None:
    fitted, users = tasting, taste_and_order().histories()
    scores, why_of = fitted.score_to_explain(users)
    shown = fitted.recommend(users, 4, exclude=users).items
    why = why_of(shown)
    assert set(why.parts) == {"text", "behaviour", "popularity"}
    np.testing.assert_allclose(why.shares.sum(axis=2), 1, atol=1e-5)
    found = fitted.candidates(users)
    parts, begin = of_boosters(fitted.bags).contributions(found.features)
    own = np.array(fitted.feature_parts)
    by_part = np.stack([parts[:, own == part].sum(axis=1) for part in why.parts], axis=1)
    np.testing.assert_allclose(
        by_part.sum(axis=1) + begin, scores[found.rows, found.items], atol=1e-4
    )
    place = {pair: row for row, pair in enumerate(zip(found.rows, found.items, strict=True))}
    for user in range(5):
        for rank, item in enumerate(shown[user]):
            claimed = why.shares[user, rank] * why.moved[user, rank]
            raised = np.maximum(by_part[place[user, item]], 0)
            np.testing.assert_allclose(claimed, raised, rtol=1e-3, atol=1e-5)


def test_the_past_item_that_leads_to_an_item_is_its_reason(walked: HMDF) -> None:
    fitted, dataset = walked, walks()
    users = dataset.histories()
    last = users.items[users.offsets[1:] - 1]
    wanted = (last + 3) % dataset.n_items
    had = np.zeros((dataset.n_users, dataset.n_items), dtype=bool)
    had[dataset.train.users, dataset.train.items] = True
    fresh = ~had[np.arange(len(users)), wanted]
    why = fitted.explain(users, wanted[:, None].astype(np.int32))
    named = why.past_items[fresh, 0, 0]
    assert (named == last[fresh]).mean() > 0.8
    nothing = fitted.explain(users, np.full((len(users), 2), -1, np.int32))
    assert not nothing.shares.any() and (nothing.past_items == -1).all()
    newcomer = fitted.explain(Histories.empty(), wanted[None, :2].astype(np.int32))
    assert (newcomer.past_items == -1).all()


def test_hiding_the_modality_that_is_named_lowers_the_score(tasting: HMDF) -> None:
    """What is hidden moves other features too, so that it is said of the mean and not of each."""
    fitted, users = tasting, taste_and_order().histories()
    scores, why_of = fitted.score_to_explain(users)
    shown = fitted.recommend(users, 4, exclude=users).items
    why = why_of(shown)
    share = why.shares[..., why.parts.index("text")]
    masked = fitted.masked({})
    lost = [
        scores[user, shown[user]] - masked.score(users.rows(user, user + 1), shown[user])[0]
        for user in range(len(users))
    ]
    named = share > np.median(share)
    assert np.mean(np.array(lost)[named]) > max(0, np.mean(np.array(lost)[~named]))


def test_given_candidates_are_all_scored_whatever_else_holds(walked: HMDF) -> None:
    fitted = walked
    users = walks().histories(np.arange(4, dtype=np.int32))
    asked = np.concatenate([users.items[:3], np.array([0, 59], np.int32)])
    given = np.unique(asked)
    scores = fitted.score_given(users, given)
    assert np.isfinite(scores).all()
    whole = fitted.score(users)
    listed = np.isfinite(whole[:, given])
    assert np.corrcoef(scores[listed], whole[:, given][listed])[0, 1] > 0.9


def test_all_items_are_the_catalogue() -> None:
    dataset = walks()
    fitted = HMDF(SMALL.model_copy(update={"candidates": 5})).fit(dataset)
    users = dataset.histories()
    everything = np.arange(dataset.n_items, dtype=np.int32)
    np.testing.assert_array_equal(fitted.score(users, everything), fitted.score(users))
    assert not np.isfinite(fitted.score(users)).all(), (
        "what no score has among its best is left out"
    )


def test_validation_events_that_are_no_candidates_leave_nothing_to_judge() -> None:
    dataset = walks()
    held = dataset.validation
    items = np.arange(len(held), dtype=np.int32) + 60
    unknown = replace(
        dataset,
        item_ids=Vocabulary(tuple(f"i{n}" for n in range(int(items.max()) + 1))),
        validation=replace(held, items=items),
    )
    with pytest.raises(NothingToLearnError, match="validation"):
        HMDF(SMALL.model_copy(update={"candidates": 5}), popular).fit(unknown)


def test_fitted_again_it_answers_by_its_new_trees() -> None:
    few = SMALL.model_copy(update={"rounds": 10})
    first, second = walks(), walks(seed=5)
    fitted = HMDF(few).fit(first)
    fitted.score(first.histories())
    users = second.histories()
    np.testing.assert_array_equal(
        fitted.fit(second).score(users), HMDF(few).fit(second).score(users)
    )


def test_an_item_that_is_asked_for_twice_has_its_reason_twice(walked: HMDF) -> None:
    users = walks().histories(np.arange(3, dtype=np.int32))
    asked = np.array([[0, 7, 0, -1]] * 3, np.int32)
    why = walked.explain(users, asked)
    np.testing.assert_array_equal(why.past_items[:, 0], why.past_items[:, 2])
    np.testing.assert_array_equal(why.shares[:, 0], why.shares[:, 2])
    assert (why.past_items[:, :3, 0] >= 0).any() and (why.past_items[:, 3] == -1).all()


def test_the_validated_figure_is_of_events_that_nothing_had_seen() -> None:
    """Choices drawn at random cannot be foreseen, though the final trees learn from them."""
    orderly = walks()
    held = orderly.validation
    items, rng = held.items.copy(), np.random.default_rng(5)
    for user in range(orderly.n_users):
        had = orderly.train.items[orderly.train.users == user]
        own = held.users == user
        unseen = np.setdiff1d(np.arange(orderly.n_items), had)
        items[own] = rng.choice(unseen, own.sum(), replace=False)
    chance = replace(orderly, validation=replace(held, items=items))
    settings = SMALL.model_copy(update={"candidates": 60})
    fits = [HMDF(settings).fit(given) for given in (chance, orderly)]
    assert fits[0].validated < 0.25 < fits[1].validated
    users, values = fits[1].validated_on()
    np.testing.assert_array_equal(users, np.unique(held.users))
    assert values.mean() == pytest.approx(fits[1].validated, abs=1e-6)


def test_a_refit_knows_every_event_and_has_the_trees_that_were_judged(walked: HMDF) -> None:
    judged, dataset = walked, walks()
    known = known_events(dataset)
    everything = replace(
        dataset,
        train=known,
        validation=known.take(np.zeros(len(known), dtype=bool)),
        context=np.zeros((len(known), 0), np.float32),
    )
    again = judged.refitted(everything)
    assert [one.model_to_string() for one in again.bags] == [
        one.model_to_string() for one in judged.bags
    ]
    assert np.isnan(again.validated) and not len(again.validated_on()[0])
    users = everything.histories()
    lists = again.recommend(users, 3, exclude=users).items
    wanted = (users.items[users.offsets[1:] - 1] + 3) % dataset.n_items
    had = np.zeros((dataset.n_users, dataset.n_items), dtype=bool)
    had[known.users, known.items] = True
    fresh = ~had[np.arange(len(users)), wanted]
    assert (lists == wanted[:, None]).any(axis=1)[fresh].mean() > 0.5


def test_no_network_is_stacked_for_items_to_come() -> None:
    with pytest.raises(ValueError, match="leave networks off"):
        HMDF(HMDFConfig(networks=True), slicing=OF_ITEMS)


def test_trees_do_not_answer_for_a_catalogue_that_has_other_features(walked: HMDF) -> None:
    dataset = walks()
    everything = np.arange(dataset.n_items, dtype=np.int32)
    rows = np.random.default_rng(0).random((dataset.n_items, 3)).astype(np.float32)
    text = TokenTable(dataset.n_items, everything, np.zeros(dataset.n_items, np.int64), rows)

    with pytest.raises(ValueError, match=r"other features .*text_near_.*fit a new hybrid"):
        walked.refitted(dataset.with_tokens({"text": text}))


def test_histories_too_short_for_slices_are_an_error_of_its_own() -> None:
    short = walks(length=1, held=0)
    with pytest.raises(NothingToLearnError, match="two slices"):
        HMDF(SMALL).fit(short)


def test_a_slice_without_a_candidate_that_was_chosen_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dataset = walks()
    first, *_ = time_slices(dataset, known_events(dataset), 3, 42)
    # What the first slice wants is out of reach: its items are new, and few are candidates.
    key = dataset.train.users.astype(np.int64) * 10**6 + dataset.train.items
    labels = np.isin(key, first.labels.users.astype(np.int64) * 10**6 + first.labels.items)
    items = dataset.train.items.copy()
    items[labels] = np.arange(labels.sum(), dtype=np.int32) + 60
    given = replace(
        dataset,
        item_ids=Vocabulary(tuple(f"i{n}" for n in range(int(items.max()) + 1))),
        train=replace(dataset.train, items=items),
    )
    fitted = HMDF(SMALL.model_copy(update={"candidates": 5})).fit(given)
    assert "is left out: nobody chose a candidate" in caplog.text
    assert 0 < fitted.validated <= 1


def test_a_hybrid_that_is_not_fitted_says_so() -> None:
    with pytest.raises(NotFittedError):
        HMDF().score(Histories.empty())


def test_trees_of_other_features_are_refused(tmp_path: Path) -> None:
    fitted = HMDF(SMALL, popular).fit(walks())
    fitted.save(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"popularity"', '"another"'))
    with pytest.raises(ModelFormatError, match="fit the model again"):
        load_model(tmp_path)


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
    fitted = HMDF(small, popular, slicing=OF_ITEMS).fit(given)
    scores = fitted.score(given.histories(), everything[cold])
    best = np.argsort(-scores, axis=1)[:, :3]
    assert np.take_along_axis(liked[:, cold], best, axis=1).mean() > 4 * liked[:, cold].mean()
    fitted.save(tmp_path)
    again = load_model(tmp_path).score(given.histories(), everything[cold])
    np.testing.assert_array_equal(again, scores)

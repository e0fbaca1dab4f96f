"""Items that nobody has chosen: predicted by what they are, and ranked among the others."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.catalogue.families import load_model
from models.data import Dataset, Histories, Interactions, TokenTable, Vocabulary
from models.evaluation import known_events
from models.hmdf import HMDF, HMDFConfig
from models.hmdf.score_scale import ScoreScale
from models.hmdf.similarity import ContentSimilarity
from models.hmdf.taste_map import by_others
from models.persistence import NotFittedError
from models.protocol import Extendable

SMALL = HMDFConfig(candidates=15, rounds=30, leaf_rows=5, penalty=1.0, threads=1)
N_USERS, N_ITEMS, N_WARM = 120, 150, 120


def tasteful(n_items: int = N_ITEMS) -> Dataset:
    """Users who choose what is near to them in a plane, whose coordinates are the items' text."""
    rng = np.random.default_rng(7)
    text, taste = rng.standard_normal((N_ITEMS, 2)), rng.standard_normal((N_USERS, 2))
    distance = np.linalg.norm(taste[:, None] - text[None], axis=2)
    distance[:, N_WARM:] = np.inf
    order = np.argsort(distance, axis=1)[:, :30]
    items = np.take_along_axis(order, rng.permuted(np.tile(np.arange(30), (N_USERS, 1)), axis=1), 1)
    users = np.repeat(np.arange(N_USERS, dtype=np.int32), 30)
    times = np.tile(np.arange(30, dtype=np.int64), N_USERS) * 86_400_000_000
    events = Interactions(
        users, items.ravel().astype(np.int32), np.ones(len(users), np.float32), times
    )
    held = np.tile(np.arange(30) >= 26, N_USERS)
    train = events.take(~held)
    everything = np.arange(n_items, dtype=np.int32)
    rows = text[:n_items].astype(np.float32)
    return Dataset(
        Vocabulary(tuple(f"u{user}" for user in range(N_USERS))),
        Vocabulary(tuple(f"i{item:03}" for item in range(n_items))),
        train,
        events.take(held),
        {"text": TokenTable(n_items, everything, np.zeros(n_items, np.int64), rows)},
        np.zeros((len(train), 0), np.float32),
    )


def nearest(dataset: Dataset, among: np.ndarray) -> np.ndarray:
    """The five of these items that are nearest to what each user chose: (n_users, 5)."""
    text = tasteful().tokens["text"].features
    users = dataset.histories()
    means = np.add.reduceat(text[users.items], users.offsets[:-1]) / users.lengths[:, None]
    distance = np.linalg.norm(means[:, None] - text[among][None], axis=2)
    return among[np.argsort(distance, axis=1)[:, :5]]


@pytest.fixture(scope="session")
def fitted() -> HMDF:
    return HMDF(SMALL).fit(tasteful())


@pytest.fixture(scope="session")
def fitted_before() -> HMDF:
    """Fitted before the items came that nobody has chosen."""
    return HMDF(SMALL).fit(tasteful(N_WARM))


def test_new_items_stand_in_the_same_list_and_are_kept_whole(fitted: HMDF, tmp_path: Path) -> None:
    dataset = tasteful()
    users = Histories.of(known_events(dataset), np.arange(N_USERS, dtype=np.int32))
    new = np.arange(N_WARM, N_ITEMS, dtype=np.int32)
    scores = fitted.score_given(users, new)
    best = new[np.argsort(-scores, axis=1)[:, :5]]
    wanted = nearest(dataset, new)
    hits = np.array([len(set(a) & set(b)) for a, b in zip(best, wanted, strict=True)])
    assert hits.mean() > 2, "of five among thirty, chance finds less than one"
    lists = fitted.recommend(users, 40, exclude=users).items
    assert (lists >= N_WARM).any(), "one list has both"
    assert ((lists >= 0) & (lists < N_WARM)).any()
    whole = fitted.score(users)
    listed = np.isfinite(whole[:, new])
    np.testing.assert_allclose(scores[listed], whole[:, new][listed], rtol=1e-5)
    fitted.save(tmp_path)
    np.testing.assert_array_equal(load_model(tmp_path).score(users), whole)


def test_choices_are_factorised_once_for_both_groups_of_items(fitted: HMDF) -> None:
    for hybrid in (fitted, fitted.refitted(tasteful())):
        ranker = hybrid._fitted_ranker()
        assert ranker.newcomers is not None
        assert ranker.newcomers.content.factors is ranker.retrievers["als"]


@pytest.mark.parametrize(("asked_for", "ranked"), [(100, 26), (26, 26), (10, 10)])
def test_new_items_that_were_had_are_not_ranked_however_many_are_asked_for(
    fitted: HMDF, monkeypatch: pytest.MonkeyPatch, asked_for: int, ranked: int
) -> None:
    monkeypatch.setattr("models.hmdf.ranker.NEW_ITEMS", asked_for)
    users = Histories.of(known_events(tasteful()), np.arange(2, dtype=np.int32))
    had, others = np.split(np.arange(N_WARM, N_ITEMS, dtype=np.int32), [4])
    scores = fitted.score(users.preceded_by(had))
    assert np.isneginf(scores[:, had]).all()
    assert (np.isfinite(scores[:, others]).sum(axis=1) == ranked).all()
    known = np.isfinite(scores[:, others])
    alone = fitted.score_given(users.preceded_by(had), others)
    np.testing.assert_allclose(scores[:, others][known], alone[known], rtol=1e-5)


def test_an_item_that_comes_later_is_ranked_as_if_it_had_been_there(fitted_before: HMDF) -> None:
    """Only what nobody chose though it was there counts less."""
    dataset, smaller, fitted = tasteful(), tasteful(N_WARM), fitted_before
    assert isinstance(fitted, Extendable)
    new = np.arange(N_WARM, N_ITEMS, dtype=np.int32)
    rows = dataset.tokens["text"].features[new]
    places = np.arange(len(new), dtype=np.int32)
    table = TokenTable(len(new), places, np.zeros(len(new), np.int64), rows)
    grown = fitted.extended({"text": table}, new)
    users = Histories.of(known_events(smaller), np.arange(N_USERS, dtype=np.int32))
    whole = grown.score(users)
    assert whole.shape == (N_USERS, N_ITEMS)
    np.testing.assert_array_equal(whole[:, :N_WARM], fitted.score(users))
    best = new[np.argsort(-grown.score_given(users, new), axis=1)[:, :5]]
    wanted = nearest(smaller, new)
    hits = np.array([len(set(a) & set(b)) for a, b in zip(best, wanted, strict=True)])
    assert hits.mean() > 2, "of five among thirty, chance finds less than one"
    with_one = users.rows(0, 1).preceded_by(new[:1])
    assert (grown.score(with_one) != whole[0]).any(), "what was done with it counts at once"
    assert grown.score(with_one)[0, new[0]] == -np.inf, "what was had is not shown again"


def test_a_changed_item_is_near_to_others_than_before(fitted_before: HMDF) -> None:
    dataset, fitted = tasteful(N_WARM), fitted_before
    had = np.isin(np.arange(N_USERS), dataset.train.users[dataset.train.items == 3])
    users = dataset.histories(np.flatnonzero(~had)[:5].astype(np.int32))
    far = np.full((1, 2), 9.0, np.float32)
    table = TokenTable(1, np.zeros(1, np.int32), np.zeros(1, np.int64), far)
    item = np.array([3], np.int32)
    changed = fitted.extended({"text": table}, item)
    assert (changed.score_given(users, item) != fitted.score_given(users, item)).any()
    others = np.arange(20, 40, dtype=np.int32)
    np.testing.assert_array_equal(
        changed.score_given(users, others), fitted.score_given(users, others)
    )


def test_a_new_item_has_reasons_of_its_own(fitted: HMDF) -> None:
    dataset = tasteful()
    users = dataset.histories(np.arange(20, dtype=np.int32))
    new = np.arange(N_WARM, N_ITEMS, dtype=np.int32)
    best = new[np.argsort(-fitted.score_given(users, new), axis=1)[:, :2]]
    warm = fitted.recommend(users, 1, exclude=users).items
    why = fitted.explain(users, np.hstack([best, warm, np.full((20, 1), -1, np.int32)]))
    raised = why.moved[:, :2] > 0
    np.testing.assert_allclose(why.shares[:, :2].sum(axis=2)[raised], 1, atol=1e-5)
    text = why.shares[:, :2, why.parts.index("text")]
    assert text.mean() > 0.3, "what is new is chosen for what it is"
    content = dataset.tokens["text"].features
    for user, named in enumerate(why.past_items[:, 0]):
        known = named[named >= 0]
        assert set(known) <= set(users.rows(user, user + 1).items)
        if len(known):
            apart = np.linalg.norm(content[known] - content[best[user, 0]], axis=1)
            assert apart.mean() < 3
    assert not why.shares[:, 3].any() and (why.past_items[:, 3] == -1).all()


def test_trees_are_laid_out_once_whatever_items_come(
    fitted: HMDF, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes most of a second, which the list after a new item has not."""
    dataset = tasteful()
    users = Histories.of(known_events(dataset), np.arange(2, dtype=np.int32))
    expected = fitted.score(users)
    monkeypatch.setattr("models.hmdf.ranker.of_boosters", None)
    monkeypatch.setattr("models.hmdf.newcomers.of_boosters", None)
    rows = dataset.tokens["text"].features[:1]
    table = TokenTable(1, np.zeros(1, np.int32), np.zeros(1, np.int64), rows)
    grown = fitted.extended({"text": table}, np.array([N_ITEMS], np.int32))
    np.testing.assert_array_equal(grown.score(users)[:, :N_WARM], expected[:, :N_WARM])


def test_what_stands_for_a_new_item_has_events(fitted: HMDF) -> None:
    dataset = tasteful()
    twin = dataset.tokens["text"].features[N_WARM : N_WARM + 1]
    table = TokenTable(1, np.zeros(1, np.int32), np.zeros(1, np.int64), twin)
    grown = fitted.extended({"text": table}, np.array([N_ITEMS], np.int32))
    users = Histories.of(known_events(dataset), np.arange(N_USERS, dtype=np.int32))
    one = users.rows(0, 1)
    with_twin = one.preceded_by(np.array([N_ITEMS], np.int32))
    warm = slice(0, N_WARM)
    assert (grown.score(with_twin)[0, warm] != grown.score(one)[0, warm]).any(), (
        "an event on it counts as one on an item that others chose"
    )


def test_without_content_nothing_is_known_of_new_items() -> None:
    dataset = tasteful()
    fitted = HMDF(SMALL).fit(dataset.with_tokens({}))
    table = TokenTable(1, np.zeros(1, np.int32), np.zeros(1, np.int64), np.ones((1, 2), np.float32))
    with pytest.raises(NotFittedError, match="content"):
        fitted.extended({"text": table}, np.array([N_ITEMS], np.int32))


def test_a_refit_keeps_the_scale_that_was_judged(fitted: HMDF) -> None:
    dataset = tasteful()
    known = known_events(dataset)
    everything = replace(
        dataset,
        train=known,
        validation=known.take(np.zeros(len(known), dtype=bool)),
        context=np.zeros((len(known), 0), np.float32),
    )
    again = fitted.refitted(everything)
    new = np.arange(N_WARM, N_ITEMS, dtype=np.int32)
    assert np.isfinite(again.score_given(everything.histories(), new)).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99))
def test_what_is_predicted_of_an_item_has_not_seen_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = tasteful().tokens["text"]
    content = ContentSimilarity.of({"text": table})
    targets = rng.standard_normal((N_ITEMS, 4)).astype(np.float32)
    known, folds = rng.random(N_ITEMS) < 0.8, rng.integers(3, size=N_ITEMS).astype(np.int32)
    item = int(rng.integers(N_ITEMS))
    other = targets.copy()
    other[folds == folds[item]] += 10
    before, after = (by_others(content, one, known, folds) for one in (targets, other))
    np.testing.assert_array_equal(before.whole[item], after.whole[item])
    assert before.popularity[item] == after.popularity[item]
    elsewhere = folds != folds[item]
    if known[folds == folds[item]].any() and elsewhere.any():
        assert (before.whole[elsewhere] != after.whole[elsewhere]).any()


@settings(max_examples=20, deadline=None)
@given(st.floats(0.3, 3), st.floats(-1, 1), st.floats(-2, 2))
def test_a_score_is_placed_where_it_means_as_much(
    slope: float, activity: float, base: float
) -> None:
    rng = np.random.default_rng(1)
    scores = rng.standard_normal(4000).astype(np.float32)
    events = rng.integers(1, 50, 4000)
    odds = slope * scores + activity * np.log1p(events) + base
    chosen = rng.random(4000) < 1 / (1 + np.exp(-odds))
    if chosen.mean() in (0, 1):
        return
    found = ScoreScale.of(scores, events, chosen)
    if found is None:
        return
    meant = found.slope * scores + found.activity * np.log1p(events) + found.base
    np.testing.assert_allclose(found.placed(meant, events), scores, rtol=1e-3, atol=1e-3)
    if 0.1 < chosen.mean() < 0.9:
        assert found.slope == pytest.approx(slope, abs=0.3)


def test_scores_that_are_chosen_less_the_higher_they_are_have_no_scale() -> None:
    scores = np.linspace(-2, 2, 200).astype(np.float32)
    assert ScoreScale.of(scores, np.ones(200, np.int64), scores < 0) is None

"""What the hybrid holds out, and which slices say how many trees there are."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walking_users import random_walks

from models.data import Interactions
from models.evaluation import known_events
from models.hmdf import OF_ITEMS, OF_TIME, HMDFConfig
from models.hmdf.candidates import Candidates
from models.hmdf.slices import (
    Fold,
    between,
    each_judges,
    holding_out_last_events,
    item_slices,
    time_slices,
)
from models.hmdf.trees import LabelledSlice, TreeData, _last_as_good, choose_rounds

SMALL = HMDFConfig(candidates=15, rounds=40, patience=10, leaf_rows=5, penalty=1.0, threads=1)
walks = partial(random_walks, n_users=80, n_items=60, length=27, held=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(1, 9))
def test_the_parts_of_every_user_are_each_event_once(counts: list[int], n_parts: int) -> None:
    users = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    n = len(users)
    events = Interactions(users, np.zeros(n, np.int32), np.ones(n, np.float32), np.arange(n))
    parts = np.array([between(events, place, place + 1, n_parts) for place in range(n_parts)])
    assert (parts.sum(axis=0) == 1).all()
    places = parts.argmax(axis=0) if n else np.zeros(0)
    assert all((np.diff(places[users == user]) >= 0).all() for user in range(len(counts)))


@pytest.mark.parametrize("held", [3, 0])
def test_no_slice_of_time_is_described_by_what_came_with_it_or_later(held: int) -> None:
    dataset = walks(held=held)
    parts = time_slices(dataset, known_events(dataset), 3, seed=0)
    assert len(parts) == 3
    for part in parts:
        newest = np.zeros(dataset.n_users, dtype=np.int64)
        np.maximum.at(newest, part.past.users, part.past.timestamps)
        assert len(part.labels) and (part.labels.timestamps > newest[part.labels.users]).all()
        stopping = holding_out_last_events(dataset, part.past)
        assert len(stopping.validation) == dataset.n_users
        assert len(stopping.train) + len(stopping.validation) == len(part.past)
    sizes = [len(part.past) for part in parts]
    assert sizes == sorted(sizes)
    if held:
        assert parts[-1].labels is dataset.validation and parts[-1].past is dataset.train


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
    data = TreeData.of(slices, ("a", "b"), settings)
    together = choose_rounds(data, folds, settings)
    alone = [choose_rounds(data, [fold], settings) for fold in folds]
    curves = np.array([one.curve.validation for one in alone])
    np.testing.assert_allclose(together.curve.validation, curves.mean(axis=0), atol=1e-12)
    assert together.rounds == 1 + _last_as_good(curves.mean(axis=0).tolist())


def test_trees_learn_from_a_draw_of_users_and_all_judge_them() -> None:
    rng = np.random.default_rng(12)
    slices = [labelled(rng, share) for share in (0.9, 0.3, 0.6)]
    settings = SMALL.model_copy(update={"rounds": 5, "patience": 5, "most_users": 10})
    data = TreeData.of(slices, ("a", "b"), settings)
    chosen = choose_rounds(data, [Fold((0, 1), 2)], settings)
    assert len(data.table.get_group()) == 10 * len(slices)
    assert sum(data.sizes) == data.table.num_data()
    assert len(chosen.validated[0]) == len(slices[2].users) > 10


def test_of_very_many_candidates_only_some_that_nobody_chose_are_left_out() -> None:
    rng = np.random.default_rng(13)
    slices = [labelled(rng, share) for share in (0.9, 0.3, 0.6)]
    settings = SMALL.model_copy(update={"rounds": 5, "patience": 5})
    whole = TreeData.of(slices, ("a", "b"), settings)
    fewer = TreeData.of(slices, ("a", "b"), settings.model_copy(update={"most_rows": 500}))
    again = TreeData.of(slices, ("a", "b"), settings.model_copy(update={"most_rows": 500}))
    most = settings.model_copy(update={"most_rows": sum(whole.sizes)})
    assert TreeData.of(slices, ("a", "b"), most).sizes == whole.sizes
    assert 400 < sum(fewer.sizes) < 600 < sum(whole.sizes)
    chosen = [data.table.get_label().sum() for data in (whole, fewer)]
    assert chosen[0] == chosen[1] > 0
    np.testing.assert_array_equal(fewer.table.get_label(), again.table.get_label())
    validated = choose_rounds(fewer, [Fold((0, 1), 2)], settings).validated[0]
    assert len(validated) == len(slices[2].users)


def test_trees_are_added_while_they_do_no_harm() -> None:
    """One lucky round does not end it, a flat curve is followed to its end, a fall ends it."""
    rising = 1 - np.exp(-np.arange(80) / 10)
    assert _last_as_good((1 - 0.2 * rising).tolist()) == 79
    lucky = 1 - 0.2 * rising
    lucky[5] = 0.75
    assert _last_as_good(lucky.tolist()) == 79
    peak = 0.2 * np.exp(-np.square((np.arange(80) - 40) / 40.0))
    assert 40 <= _last_as_good((1 - peak).tolist()) <= 50
    assert _last_as_good([0.4]) == 0 and _last_as_good([0.5, 0.4]) == 1


NO_EVENTS = Interactions(
    *(np.zeros(0, dtype) for dtype in (np.int32, np.int32, np.float32, np.int64))
)


def labelled(rng: np.random.Generator, share: float) -> LabelledSlice:
    """Forty users with ten candidates each, a share of whose choices the first feature shows."""
    rows, items = np.repeat(np.arange(40), 10), np.tile(np.arange(10), 40)
    features = rng.standard_normal((400, 2)).astype(np.float32)
    worth = share * features[:, 0] + (1 - share) * rng.standard_normal(400)
    best = np.zeros(400, dtype=bool)
    best[np.argmax(worth.reshape(40, 10), axis=1) + 10 * np.arange(40)] = True
    candidates = Candidates(rows.astype(np.int32), items.astype(np.int32), features)
    return LabelledSlice(
        np.arange(40, dtype=np.int32),
        candidates,
        best,
        np.ones(40, np.int32),
        np.full(40, 9),
        NO_EVENTS,
    )


def test_what_no_candidate_reaches_counts_as_missed() -> None:
    candidates = Candidates(
        np.array([0, 0, 0, 2, 2], np.int32),
        np.array([4, 7, 8, 4, 5], np.int32),
        np.zeros((5, 1), np.float32),
    )
    chosen = np.array([False, True, False, False, False])
    part = LabelledSlice(
        np.arange(3, dtype=np.int32),
        candidates,
        chosen,
        np.array([1, 2, 1], np.int32),
        np.full(3, 9),
        NO_EVENTS,
    )
    scores = np.array([0.3, 0.2, 0.1, 0.5, 0.4], np.float32)
    assert part.ndcg(scores) == pytest.approx([1 / np.log2(3), 0, 0])

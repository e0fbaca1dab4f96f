"""What the trees of the hybrid read of a candidate."""

from functools import partial

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from walking_users import random_walks

from models.data import Histories, Interactions, TokenTable
from models.hmdf.candidates import candidates_of
from models.hmdf.numbers import ItemNumbers, numbers_of
from models.hmdf.statistics import NAMES, ItemStatistics, statistics_of

DAY = 86_400_000_000
walks = partial(random_walks, n_users=80, n_items=60, length=27, held=3)


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
    for value in (0.25, 0.1, 1e8):
        constant = np.full((1, 30), value, np.float32)
        assert np.abs(standardised_of(constant)).max() < 1e-6


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

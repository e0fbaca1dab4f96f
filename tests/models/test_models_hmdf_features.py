"""What the trees of the hybrid read of a candidate."""

from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walking_users import random_walks

from models.baselines._largest_kernels import largest_of_rows
from models.data import Histories, Interactions, TokenTable
from models.hmdf._candidate_kernels import add_past, clear
from models.hmdf._link_kernels import largest_first
from models.hmdf._ranking_kernels import compared
from models.hmdf.candidates import Pairs, best_of_all
from models.hmdf.item_links import ItemLinks, now_of
from models.hmdf.link_weights import _fitting
from models.hmdf.numbers import ItemNumbers, numbers_of
from models.hmdf.similarity import ContentSimilarity
from models.hmdf.statistics import NAMES, ItemStatistics, statistics_of

DAY = 86_400_000_000
walks = partial(random_walks, n_users=80, n_items=60, length=27, held=3)


def test_links_of_another_age_leave_no_room_too_small() -> None:
    """Events of centuries ago are near to nobody: their weights are too small for a float."""
    days = np.concatenate([np.full(20, -700_000), np.arange(40)])
    events = Interactions(
        np.repeat(np.arange(3, dtype=np.int32), 20),
        np.tile(np.arange(4, dtype=np.int32), 15),
        np.ones(60, np.float32),
        days.astype(np.int64) * DAY,
    )
    links = ItemLinks.of(events, 3, 4)
    for user in range(3):
        history = Histories.of(events, np.array([user], np.int32))
        with links.room() as room:
            add_past(links.table, history.items, now_of(history)[0], room)
            assert (room.counts <= 4).all()
            for kind, count in enumerate(room.counts):
                met = room.met[kind, :count]
                assert len(np.unique(met)) == count and (room.values[kind, -1, met] != 0).all()
            clear(room)


def test_nobody_finds_what_was_found_for_others() -> None:
    """Room is used again: whoever is asked next must find it as if it were new."""
    events = walks().train
    links, ties = ItemLinks.of(events, 80, 60), np.arange(60, dtype=np.int32)
    everything, found_by = np.ones(60, dtype=bool), links.names[:4]
    popular = np.zeros((1, 60), np.float32)
    popular[0, :9] = np.arange(9)

    def candidates(links: ItemLinks, user: int) -> Pairs:
        history = Histories.of(events, np.array([user], np.int32))
        return best_of_all(links, found_by, [popular], history, ties, 5, everything)

    for user in range(20):
        after_others = candidates(links, user)
        alone = candidates(replace(links), user)
        assert vars(after_others).keys() == vars(alone).keys()
        for name, array in vars(alone).items():
            np.testing.assert_array_equal(vars(after_others)[name], array)


@pytest.mark.parametrize(("lasting", "changing"), [(3, 2), (4, 1), (2, 1)])
def test_who_has_a_sum_is_known_however_many_windows_there_are(lasting: int, changing: int) -> None:
    events = walks().train
    links = ItemLinks.of(events, 80, 60)
    table = links.table
    table = table._replace(
        lasting=table.lasting[:, -lasting:].copy(), changing=table.changing[:, -changing:].copy()
    )
    history = Histories.of(events, np.array([7], np.int32))
    with links.room() as room:
        add_past(table, history.items, now_of(history)[0], room)
        assert room.counts[:-1].any()
        for kind, count in enumerate(room.counts):
            met = set(room.met[kind, :count].tolist())
            assert met == set(np.flatnonzero(room.values[kind].any(axis=0)).tolist())
        clear(room)


def test_room_in_which_something_failed_is_given_to_nobody() -> None:
    links = ItemLinks.of(walks().train, 80, 60)
    with pytest.raises(KeyError), links.room() as room:
        room.values[:] = 1
        raise KeyError
    with links.room() as other:
        assert not other.values.any()


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
    np.testing.assert_allclose(columns["days_since_item_was_chosen"], [90, 60, 30, 90])
    np.testing.assert_allclose(columns["days_since_item_was_first_chosen"], [100, 60, 40, 100])


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


def test_what_cannot_be_scored_is_no_candidate() -> None:
    scores = np.full((1, 300), -np.inf, np.float32)
    scores[0, ::30] = np.arange(10)
    ties, allowed = np.arange(300, dtype=np.int32), np.ones(300, dtype=bool)
    allowed[60] = False
    links = ItemLinks.of(random_walks(n_users=9, n_items=300, length=9, held=0).train, 9, 300)
    found = best_of_all(links, [], [scores], Histories.empty(), ties, 120, allowed)
    np.testing.assert_array_equal(found.items, [0, 30, *range(90, 300, 30)])


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 100), st.floats(-10, 10), st.integers(0, 2**16))
def test_how_large_scores_are_says_nothing(scale: float, shift: float, seed: int) -> None:
    scores = np.random.default_rng(seed).standard_normal((30, 1)).astype(np.float32)
    scores[:3] = -np.inf
    ends = np.array([0, 30])
    standardised, log_rank = compared(scores, ends).T
    assert np.isnan(standardised[:3]).all() and np.isnan(log_rank[:3]).all()
    known = standardised[3:]
    np.testing.assert_allclose([known.mean(), known.std()], [0, 1], atol=1e-5)
    np.testing.assert_allclose(np.sort(log_rank[3:]), np.log1p(np.arange(27)), rtol=1e-6)
    assert log_rank[np.nanargmax(scores[3:]) + 3] == 0
    larger = (scores * scale + shift).astype(np.float32)
    np.testing.assert_allclose(compared(larger, ends)[3:, 0], known, atol=0.01)


def test_a_score_to_which_all_is_alike_says_nothing() -> None:
    for value in (0.25, 0.1, 1e8):
        constant = np.full((30, 1), value, np.float32)
        assert np.abs(compared(constant, np.array([0, 10, 30]))[:, 0]).max() < 1e-6


def test_users_are_compared_each_with_their_own_candidates() -> None:
    scores = np.random.default_rng(4).standard_normal((25, 3)).astype(np.float32)
    together = compared(scores, np.array([0, 10, 10, 25]))
    alone = [compared(own, np.array([0, len(own)])) for own in (scores[:10], scores[10:])]
    np.testing.assert_array_equal(together, np.concatenate(alone))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16))
def test_links_are_sums_over_the_past(seed: int) -> None:
    """Every sum of some items is that of all items, and is made of what each past event adds."""
    dataset = random_walks(n_users=20, n_items=15, length=9, held=0, seed=seed)
    links = ItemLinks.of(dataset.train, dataset.n_users, dataset.n_items)
    users = dataset.histories(np.array([3, 0, 7], np.int32))
    whole = np.stack([links.sums(users.rows(row, row + 1)) for row in range(3)])
    everything, nothing = np.ones(15, dtype=bool), np.zeros(15, dtype=bool)
    rng = np.random.default_rng(seed)
    asked = np.stack([rng.permutation(15)[:6] for _ in range(3)]).astype(np.int32)
    ties = np.arange(15, dtype=np.int32)
    pairs = best_of_all(links, [], [], users, ties, 4, nothing, asked)
    np.testing.assert_array_equal(pairs.items, np.sort(asked, axis=1).ravel())
    np.testing.assert_allclose(pairs.sums, whole[pairs.rows, pairs.items])
    names = ["linear_all", "next_last"]
    pairs = best_of_all(links, names, [], users, ties, 4, everything)
    for row, name in product(range(3), names):
        score = whole[row, :, links.names.index(name)].copy()
        score[users.rows(row, row + 1).items] = 0
        best = np.lexsort((ties, -score))[:4]
        assert set(best[score[best] > 0]) <= set(pairs.items[pairs.rows == row])
    counts = rng.standard_normal((6, len(links.names))).astype(np.float32)
    items = np.sort(asked[2])
    parts = links.by_past_event(users.rows(2, 3), items, counts)
    assert parts.shape == (6, 9)
    expected = (whole[2][items] * counts).sum(axis=1)
    np.testing.assert_allclose(parts.sum(axis=1), expected, rtol=1e-3, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(1, 12), st.integers(0, 99))
def test_the_best_items_are_those_of_a_sort(values: list[int], most: int, seed: int) -> None:
    """With many equal scores, of which the first by tie breaks are taken."""
    scores = np.array([values], np.float32)
    ties = np.random.default_rng(seed).permutation(len(values)).astype(np.int32)
    events = Interactions(
        *(np.zeros(0, kind) for kind in (np.int32, np.int32, np.float32, np.int64))
    )
    links, everything = ItemLinks.of(events, 1, len(values)), np.ones(len(values), dtype=bool)
    found = best_of_all(links, [], [scores], Histories.empty(), ties, most, everything)
    best = np.lexsort((ties, -scores[0]))[:most] if len(set(values)) > 1 else []
    assert set(found.items) == set(best)


def test_an_item_that_always_follows_is_linked_the_most() -> None:
    dataset = walks()
    links = ItemLinks.of(dataset.train, dataset.n_users, dataset.n_items)
    users = dataset.histories()
    column = links.names.index("next_last")
    everyone = range(len(users))
    scores = np.stack([links.sums(users.rows(row, row + 1))[:, column] for row in everyone])
    last = users.items[users.offsets[1:] - 1]
    assert (scores.argmax(axis=1) == (last + 3) % dataset.n_items).mean() > 0.9


@pytest.mark.parametrize("n_users", [30, 90])
def test_the_linear_weights_are_those_of_ease_that_speak_for_an_item(n_users: int) -> None:
    """With fewer users than items, and with more."""
    events = random_walks(n_users=n_users, n_items=60, length=24, held=0).train
    links = ItemLinks.of(events, n_users, 60)
    choices = np.zeros((n_users, 60))
    choices[events.users, events.items] = 1
    inverse = np.linalg.inv(choices.T @ choices + 300 * np.eye(60))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    one_event = events.take(np.arange(1))
    user = Histories.of(one_event, one_event.users)
    found = links.sums(user)[:, links.names.index("linear_last")]
    expected = np.maximum(weights[one_event.items[0]], 0)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_of_many_links_the_largest_are_kept() -> None:
    rng = np.random.default_rng(6)
    lengths = np.array([0, 3, 40, 7])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    values = rng.integers(1, 9, lengths.sum()).astype(np.float32)
    chosen = largest_of_rows(starts, values, 5)
    for row, length in enumerate(lengths):
        own, kept = values[starts[row] : starts[row + 1]], chosen[starts[row] : starts[row + 1]]
        assert kept.sum() == min(length, 5)
        assert sorted(own[kept], reverse=True) == sorted(own, reverse=True)[:5]


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=8),
    kinds=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_links_are_ordered_by_size_and_equal_ones_stay_as_they_were(
    lengths: list[int], kinds: int, seed: int
) -> None:
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    values = np.random.default_rng(seed).integers(-kinds, kinds, starts[-1]).astype(np.float32)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    np.testing.assert_array_equal(largest_first(starts, values), np.lexsort((-values, rows)))


@settings(max_examples=100, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 260), min_size=1, max_size=30),
    most=st.integers(1, 9000),
)
def test_a_large_catalogue_keeps_fewer_links_per_item(lengths: list[int], most: int) -> None:
    kept = _fitting(np.array(lengths), most)
    assert 1 <= kept <= 200
    in_all = np.minimum(lengths, kept).sum()
    assert in_all <= most or kept == 1
    if kept < 200:
        assert np.minimum(lengths, kept + 1).sum() > most


def test_contemporary_links_listen_to_those_who_went_that_way_at_the_time() -> None:
    """In the first years 0 leads to 1, in the last ones to 2."""
    pairs = np.array([[0, 1]] * 30 + [[0, 2]] * 30, np.int32)
    times = np.where(np.arange(60) < 30, 0, 4000)[:, None] * DAY + np.array([0, DAY])
    users = np.repeat(np.arange(60, dtype=np.int32), 2)
    events = Interactions(users, pairs.ravel(), np.ones(120, np.float32), times.ravel())
    links = ItemLinks.of(events, 60, 3)
    asked = events.take(np.isin(np.arange(120), [0, 118]))
    users = Histories.of(asked, np.array([0, 59], np.int32))
    column = links.names.index("contemporary_last_3_year")
    first, last = (links.sums(users.rows(row, row + 1))[:, column] for row in (0, 1))
    assert first[1] > 10 * first[2] and last[2] > 10 * last[1]


def test_content_is_near_to_what_is_like_it() -> None:
    rng = np.random.default_rng(0)
    kind = np.arange(30) % 3
    features = (np.eye(3)[kind] + 0.1 * rng.standard_normal((30, 3))).astype(np.float32)
    items = np.arange(29, dtype=np.int32)
    table = TokenTable(30, items, np.zeros(29, np.int64), features[:29])
    content = ContentSimilarity.of({"text": table, "reviews": table})
    events = Interactions(
        np.array([0, 0, 1], np.int32),
        np.array([1, 0, 29], np.int32),
        np.ones(3, np.float32),
        np.arange(3),
    )
    users = Histories.of(events, np.array([0, 1, -1], np.int32))
    rows = np.array([0, 0, 0, 1, 2], np.int32)
    found = content.cosines(users, rows, np.array([3, 4, 29, 3, 3], np.int32))
    columns = dict(zip(content.names, found.T, strict=True))
    assert set(content.reads) == {"text"}, "what users wrote is no content that always was"
    assert columns["text_near_last"][0] > 0.8 > 0.2 > columns["text_near_last"][1]
    assert columns["text_near_last_3"][1] > 0.2, "the event before the last counts there"
    assert np.isnan(found[2:]).all(), "neither an item nor a history without text is near to any"
    kept = ContentSimilarity.of_arrays(content.arrays())
    np.testing.assert_array_equal(
        kept.cosines(users, rows, rows), content.cosines(users, rows, rows)
    )
    assert np.isnan(content.masked({}).cosines(users, rows, rows)).all()


def test_numbers_are_compared_with_those_of_the_history() -> None:
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

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.assembly import indexed_events
from models.data import Interactions, Vocabulary
from models.splits import (
    LeakError,
    Split,
    assert_no_future_training,
    assert_train_before_test,
    cold_item,
    global_temporal,
    limited_to_judges,
    random_split,
    user_temporal,
)
from models.ties import beginnings, chronological_order


@st.composite
def logs(draw: st.DrawFn) -> tuple[Interactions, int, int]:
    n_users, n_items = draw(st.integers(1, 8)), draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(0, 150))
    users, times = rng.integers(0, n_users, n), rng.integers(0, draw(st.integers(1, 50)), n)
    order = np.lexsort((times, users))
    events = Interactions(
        users[order].astype(np.int32),
        rng.integers(0, n_items, n).astype(np.int32),
        np.ones(n, np.float32),
        times[order].astype(np.int64),
    )
    return events, n_users, n_items


def _ids(n: int) -> Vocabulary:
    return Vocabulary(tuple(f"id-{number}" for number in range(n)))


def shuffled(events: Interactions, n_users: int, n_items: int, seed: int) -> np.ndarray:
    users, items = _ids(n_users), _ids(n_items)
    return chronological_order(events, beginnings(events, users, items, seed).marks, items, seed)


def _is_partition(split: Split) -> bool:
    parts = split.train.astype(int) + split.validation.astype(int) + split.test.astype(int)
    return bool((parts == 1).all())


@settings(max_examples=60, deadline=None)
@given(logs())
def test_user_temporal_holds_out_the_last_tenth(log: tuple[Interactions, int, int]) -> None:
    events, n_users, _ = log
    split = user_temporal(events, n_users)
    assert _is_partition(split)
    for user in range(n_users):
        mine = events.users == user
        n = int(mine.sum())
        held = max(1, n // 10) if n >= 3 else 0
        assert (split.test & mine).sum() == (split.validation & mine).sum() == held
    assert_no_future_training(events.take(split.train), events.take(split.test))
    assert_no_future_training(events.take(split.validation), events.take(split.test))
    assert_no_future_training(events.take(split.train), events.take(split.validation))


@settings(max_examples=60, deadline=None)
@given(logs(), st.integers(1, 8), st.integers(0, 100))
def test_at_most_so_many_users_judge(
    log: tuple[Interactions, int, int], most: int, seed: int
) -> None:
    events, n_users, n_items = log
    for split in (
        user_temporal(events, n_users),
        global_temporal(events),
        cold_item(events, n_items, seed),
    ):
        limited = limited_to_judges(split, events.users, most, seed)
        assert np.array_equal(limited.train, split.train), "the others' events are not learned from"
        judges = {}
        for part in ("test", "validation"):
            all_of_part, left = getattr(split, part), getattr(limited, part)
            judges[part] = np.unique(events.users[left])
            assert len(judges[part]) == min(most, len(np.unique(events.users[all_of_part])))
            assert np.array_equal(left, all_of_part & np.isin(events.users, judges[part]))
        of_tested = np.isin(events.users, judges["test"])
        assert np.array_equal(limited.validation & of_tested, split.validation & of_tested)
        known, test = limited.train | limited.validation, limited.test
        if split.name == "user-temporal":
            assert_no_future_training(events.take(known), events.take(test))
        if split.name == "global-temporal":
            assert_train_before_test(events.take(known), events.take(test))


def test_ties_are_shuffled_by_the_seed_not_by_the_item() -> None:
    n = 40
    events = Interactions(
        np.zeros(n, np.int32),
        np.arange(n, dtype=np.int32),
        np.ones(n, np.float32),
        np.zeros(n, np.int64),
    )

    def drawn(seed: int) -> set[int]:
        order = shuffled(events, 1, n, seed)
        return set(events.items[order[user_temporal(events, 1).test]].tolist())

    held = [drawn(seed) for seed in range(20)]
    assert held[0] == drawn(0)
    assert len({frozenset(items) for items in held}) > 10
    assert len(set.union(*held)) > n / 2


@settings(max_examples=40, deadline=None)
@given(logs(), st.integers(0, 100))
def test_what_others_do_moves_no_tie(log: tuple[Interactions, int, int], seed: int) -> None:
    events, n_users, n_items = log
    # Each begins at an instant of his own.
    _, first = np.unique(events.users, return_index=True)
    events.timestamps[first] = -1 - np.arange(len(first))
    order = shuffled(events, n_users, n_items, seed)
    others = events.users % 2 == 0
    fewer = events.take(others)
    alone = shuffled(fewer, n_users + 3, n_items + 5, seed)
    expected = order[others[order]]
    np.testing.assert_array_equal(fewer.items[alone], events.items[expected])
    np.testing.assert_array_equal(fewer.timestamps[alone], events.timestamps[expected])


@settings(max_examples=40, deadline=None)
@given(logs(), st.permutations(range(8)))
def test_other_pseudonyms_of_the_same_users_change_nothing(
    log: tuple[Interactions, int, int], names: list[int]
) -> None:
    events, _, n_items = log
    _, first = np.unique(events.users, return_index=True)
    events.timestamps[first] = -1 - np.arange(len(first))

    def indexed(name_of: list[int]) -> Interactions:
        frame = pl.DataFrame(
            {
                "user_id": [f"pseudonym {name_of[user]}" for user in events.users],
                "item_id": [f"id-{item}" for item in events.items],
                "value": events.values,
                "event_timestamp": pl.Series(events.timestamps).cast(pl.Datetime("us", "UTC")),
            },
            schema_overrides={"user_id": pl.String, "item_id": pl.String},
        )
        return indexed_events(frame, _ids(n_items).ids, 42).events

    one, other = indexed(list(range(8))), indexed(names)
    for part in ("users", "items", "timestamps"):
        np.testing.assert_array_equal(getattr(one, part), getattr(other, part))


def test_two_users_have_ties_in_orders_of_their_own() -> None:
    n = 40
    items = np.tile(np.arange(n, dtype=np.int32), 2)
    users = np.repeat(np.arange(2, dtype=np.int32), n)
    events = Interactions(users, items, np.ones(2 * n, np.float32), np.zeros(2 * n, np.int64))
    order = items[shuffled(events, 2, n, 42)].reshape(2, n)
    assert sorted(order[0]) == sorted(order[1]) == list(range(n))
    assert (order[0] != order[1]).mean() > 0.8


@settings(max_examples=40, deadline=None)
@given(logs(), st.integers(0, 100))
def test_cold_items_are_held_out_whole(log: tuple[Interactions, int, int], seed: int) -> None:
    events, _, n_items = log
    split = cold_item(events, n_items, seed)
    assert _is_partition(split)
    cold, pseudo_cold = split.test_candidates, split.validation_candidates
    assert cold is not None and pseudo_cold is not None
    assert cold.sum() == int(0.2 * n_items) and not (cold & pseudo_cold).any()
    np.testing.assert_array_equal(split.test, cold[events.items])
    np.testing.assert_array_equal(split.validation, pseudo_cold[events.items])


@given(st.integers(0, 500), st.integers(0, 100))
def test_random_split_keeps_its_test_whatever_the_validation(n: int, seed: int) -> None:
    plain, validated = random_split(n, seed), random_split(n, seed, validation=0.1)
    assert _is_partition(plain) and _is_partition(validated)
    np.testing.assert_array_equal(plain.test, validated.test)
    assert plain.test.sum() == round(0.2 * n)


def test_training_on_the_future_is_refused() -> None:
    events = Interactions(
        np.array([0, 0, 1], np.int32),
        np.array([0, 1, 0], np.int32),
        np.ones(3, np.float32),
        np.array([5, 7, 9], np.int64),
    )
    with pytest.raises(LeakError, match="1 training events of 1 users"):
        assert_no_future_training(events.take(np.array([1, 2])), events.take(np.array([0])))

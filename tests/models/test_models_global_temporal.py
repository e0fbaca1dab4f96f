import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data import Interactions
from models.splits import (
    LeakError,
    assert_no_future_training,
    assert_train_before_test,
    global_temporal,
)


def events_at(users: np.ndarray, times: np.ndarray) -> Interactions:
    order = np.lexsort((times, users))
    return Interactions(
        users[order].astype(np.int32),
        np.zeros(len(order), np.int32),
        np.ones(len(order), np.float32),
        times[order].astype(np.int64),
    )


@st.composite
def logs(draw: st.DrawFn) -> Interactions:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(0, 200))
    latest = draw(st.sampled_from([1, 5, 50, 10**15]))
    return events_at(rng.integers(0, 6, n), rng.integers(0, latest, n))


@settings(max_examples=100, deadline=None)
@given(logs())
def test_one_cut_in_time_holds_for_everyone(events: Interactions) -> None:
    split = global_temporal(events)
    parts = [split.train, split.validation, split.test]
    assert (np.sum(parts, axis=0) == 1).all()
    train, validation, test = (events.take(part) for part in parts)
    for earlier, later in ((train, validation), (train, test), (validation, test)):
        assert_train_before_test(earlier, later)
        assert_no_future_training(earlier, later)
    assert not len(events) or len(train)
    assert len(test) <= len(events) // 10
    assert len(validation) + len(test) <= 2 * (len(events) // 10)


@given(st.permutations(range(40)))
def test_without_ties_it_holds_out_exactly_the_last_tenth(times: list[int]) -> None:
    users = np.arange(40) % 3
    events = events_at(users, np.array(times))
    split = global_temporal(events)
    assert sorted(events.timestamps[split.test]) == list(range(36, 40))
    assert sorted(events.timestamps[split.validation]) == list(range(32, 36))


def test_an_instant_across_the_cut_goes_whole_to_the_earlier_part() -> None:
    times = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 18, 19])
    events = events_at(np.arange(20) % 4, times)
    split = global_temporal(events)
    assert events.timestamps[split.test].tolist() == [19]
    assert sorted(events.timestamps[split.validation].tolist()) == [16, 18, 18]


def test_training_at_or_after_the_first_test_instant_is_refused() -> None:
    events = events_at(np.array([0, 1, 2]), np.array([5, 7, 9]))
    first, second, third = (events.take(np.array([row])) for row in range(3))
    assert_train_before_test(first, second)
    with pytest.raises(LeakError, match="1 training events are not before"):
        assert_train_before_test(third, second)
    with pytest.raises(LeakError, match="global_temporal"):
        assert_train_before_test(events, third)
    # One user's future is no leak by the rule for a split by user, and one by this rule.
    assert_no_future_training(third, second)

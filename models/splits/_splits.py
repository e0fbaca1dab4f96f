from dataclasses import dataclass, replace

import numpy as np

from models.data import Bools, Interactions, Ints, Longs

_ONE_IN = 10
"""One event in this many is test in the splits by time, and as many are validation."""


class LeakError(ValueError):
    """A model would learn from what happened after the events that judge it."""


@dataclass(frozen=True)
class Split:
    """Three masks (n_events,) of which at most one is True for each event.

    An event of which none is True is unused: it is held out, and its user does not judge.

    Attributes:
        name: as the metrics table calls it.
        train: events to learn from.
        validation: events that choose hyperparameters and stop training.
        test: events that judge.
        validation_candidates: (n_items,) items to rank for the validation events; None means all.
        test_candidates: (n_items,) items to rank for the test events; None means all.
    """

    name: str
    train: Bools
    validation: Bools
    test: Bools
    validation_candidates: Bools | None = None
    test_candidates: Bools | None = None


def user_temporal(events: Interactions, n_users: int) -> Split:
    """Each user's last events judge, those just before them choose.

    Of a user's n events in time order the last max(1, ⌊n / 10⌋) are test and as many before them
    validation; a user with fewer than three events has all of them in train. Events of one user
    with one timestamp count in the order they are in, which `indexed_events` shuffles by its seed.
    """
    counts = np.bincount(events.users, minlength=n_users)
    held = np.where(counts < 3, 0, np.maximum(1, counts // _ONE_IN))
    from_end = np.cumsum(counts)[events.users] - 1 - np.arange(len(events))
    test = from_end < held[events.users]
    validation = (from_end < 2 * held[events.users]) & ~test
    return Split("user-temporal", ~(test | validation), validation, test)


def global_temporal(events: Interactions) -> Split:
    """One cut in time for everyone: the last events judge, those just before them choose.

    Of all n events in time order the last ⌊n / 10⌋ are test and as many before them validation,
    whoever did them; users and items without a training event are part of the test, as they are of
    every day to come. An instant is never cut in two: one that lies across a cut goes whole to the
    earlier part, so that the test holds at most a tenth and training is never empty.
    """
    held = len(events) // _ONE_IN
    test = _last(events, held)
    validation = _last(events, 2 * held) & ~test
    return Split("global-temporal", ~(test | validation), validation, test)


def cold_item(events: Interactions, n_items: int, seed: int = 42, share: float = 0.2) -> Split:
    """A share of the items is held out whole: every event on them judges.

    Half as many other items are held out whole for validation, so that early stopping and
    hyperparameters look at items as unknown as the test items are, and never at the test items.
    Each of the two is ranked among its own held-out items.

    Args:
        events: all events.
        n_items: size of the catalogue; items without events can be held out too.
        seed: draws the items.
        share: part of the catalogue that is test.
    """
    drawn = np.random.default_rng(seed).permutation(n_items)
    n_test = int(share * n_items)
    n_validation = n_test // 2
    cold = np.zeros(n_items, dtype=bool)
    cold[drawn[:n_test]] = True
    pseudo_cold = np.zeros(n_items, dtype=bool)
    pseudo_cold[drawn[n_test : n_test + n_validation]] = True
    test, validation = cold[events.items], pseudo_cold[events.items]
    return Split("cold-item", ~(test | validation), validation, test, pseudo_cold, cold)


def limited_to_judges(split: Split, users: Ints, most: int, seed: int = 42) -> Split:
    """A split whose test and whose validation have the events of at most so many users.

    All other held-out events are unused. None of them is trained on: they are later than training
    or of items that must stay unknown, and the next run, which draws other users, may judge a model
    of this one by them. Whoever is tested is among those who validate, so that no event of theirs
    is unknown to the model that is tested.

    Args:
        split: of the events.
        users: (n_events,) who did them.
        most: users of the test, and of the validation.
        seed: draws them.
    """
    n_users = int(users.max(initial=-1)) + 1
    order = np.random.default_rng(seed).permutation(n_users)
    tested = _first(order, users[split.test], most)
    order = np.concatenate([order[tested[order]], order[~tested[order]]])
    validating = _first(order, users[split.validation], most)
    return replace(
        split, validation=split.validation & validating[users], test=split.test & tested[users]
    )


def _first(order: Longs, users: Ints, most: int) -> Bools:
    """Which of all users (n_users,) are the first so many, in an order, among some of them."""
    present = np.bincount(users, minlength=len(order)) > 0
    chosen = np.zeros(len(order), dtype=bool)
    chosen[order[present[order]][:most]] = True
    return chosen


def random_split(n: int, seed: int = 42, test: float = 0.2, validation: float = 0.0) -> Split:
    """Events drawn at random, for rating error: it knows nothing of time and is no ranking test.

    Args:
        n: number of events.
        seed: draws the events.
        test: share of all events that judges.
        validation: share of all events that chooses; the test events do not depend on it.
    """
    drawn = np.random.default_rng(seed).permutation(n)
    n_test, n_validation = round(test * n), round(validation * n)
    masks = np.zeros((2, n), dtype=bool)
    masks[0, drawn[:n_test]] = True
    masks[1, drawn[n_test : n_test + n_validation]] = True
    return Split("random", ~(masks[0] | masks[1]), masks[1], masks[0])


def assert_no_future_training(train: Interactions, test: Interactions) -> None:
    """Checks a split by time: no training event of a user is later than a test event of theirs.

    Equal instants are allowed: a shuffle orders them.

    Raises:
        LeakError: some user has one; says how many users and events.
    """
    first_test = _earliest(test, _n_users(train, test))
    late = train.timestamps > first_test[train.users]
    if late.any():
        raise LeakError(
            f"{int(late.sum())} training events of {len(np.unique(train.users[late]))} users are "
            "later than the user's first test event; split again with user_temporal."
        )


def assert_train_before_test(train: Interactions, test: Interactions) -> None:
    """Checks a global-temporal split: every training event is before every test event.

    Equal instants are refused: a cut in time has all of an instant on one side.

    Raises:
        LeakError: a training event is not; says how many are.
    """
    first_test = test.timestamps.min(initial=np.iinfo(np.int64).max)
    late = int((train.timestamps >= first_test).sum()) if len(test) else 0
    if late:
        raise LeakError(
            f"{late} training events are not before the first test event; split again with "
            "global_temporal."
        )


def _last(events: Interactions, held: int) -> Bools:
    """The events (n,) later than all but the last `held` of them."""
    if not len(events):
        return np.zeros(0, dtype=bool)
    place = len(events) - held - 1
    later: Bools = events.timestamps > np.partition(events.timestamps, place)[place]
    return later


def _earliest(events: Interactions, n_users: int) -> Longs:
    first = np.full(n_users, np.iinfo(np.int64).max, dtype=np.int64)
    np.minimum.at(first, events.users, events.timestamps)
    return first


def _n_users(*logs: Interactions) -> int:
    return 1 + max((int(log.users.max()) for log in logs if len(log)), default=-1)

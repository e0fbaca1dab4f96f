"""Judged by the next events: nothing later than the instant reaches the model, and the sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.baselines.popularity import Popularity
from models.data import Floats, Histories, Interactions, Ints, Vocabulary
from models.prequential import judged_by_next

ITEMS = Vocabulary(tuple("abcdefghijklmnopqrst"))
USERS = Vocabulary(tuple(f"u{number}" for number in range(6)))
EVENT = st.tuples(st.integers(0, 5), st.integers(0, 19), st.integers(0, 9))


def interactions(rows: list[tuple[int, int, int]]) -> Interactions:
    ordered = np.array(sorted(rows, key=lambda row: (row[0], row[2])), dtype=np.int64)
    users, items, times = ordered.reshape(-1, 3).T
    values = np.ones(len(users), dtype=np.float32)
    return Interactions(users.astype(np.int32), items.astype(np.int32), values, times)


class Watching(Popularity):
    """Ranks item a first, and remembers the newest event that it was ever shown."""

    newest = -1

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        self.newest = max([self.newest, *users.timestamps.tolist()])
        chosen = np.arange(len(ITEMS)) if items is None else items
        return np.tile(-chosen.astype(np.float32), (len(users), 1))


@given(st.lists(EVENT, min_size=1, max_size=60), st.integers(0, 9))
def test_a_model_is_shown_nothing_of_what_judges_it(
    rows: list[tuple[int, int, int]], since: int
) -> None:
    model, events = Watching(), interactions(rows)
    found = judged_by_next(model, events, (USERS, ITEMS), since, samples=20)
    assert model.newest <= since
    assert found.events == sum(time > since for _, _, time in rows)
    had = {(user, item) for user, item, time in rows if time <= since}
    fresh = {user for user, item, time in rows if time > since and (user, item) not in had}
    assert found.users == len(fresh)


def test_the_figures_are_those_of_the_lists_at_that_instant() -> None:
    # By popularity t comes first; u0 chose a next, u1 chose t again, and u2 is new and chose t.
    rows = [(0, 19, 0), (1, 19, 0), (0, 18, 0), (0, 0, 5), (1, 19, 5), (2, 19, 5), (3, 0, 9)]
    found = judged_by_next(Watching(), interactions(rows), (USERS, ITEMS), 4, samples=20)
    assert (found.events, found.users) == (4, 3)
    # u0 and u3 find a first; t is the last of this model's twenty items.
    assert found.ndcg == pytest.approx(2 / 3) and found.hit_rate == pytest.approx(2 / 3)
    assert found.popularity_ndcg >= 1 / 3
    assert found.difference.n_users == 3
    assert found.difference.mean == pytest.approx(found.ndcg - found.popularity_ndcg)


def test_where_nothing_is_newer_there_is_nothing_to_say() -> None:
    found = judged_by_next(Watching(), interactions([(0, 1, 1)]), (USERS, ITEMS), 1, samples=20)
    assert (found.events, found.users) == (0, 0) and np.isnan(found.ndcg)

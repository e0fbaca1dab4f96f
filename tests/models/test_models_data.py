import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.baselines import Popularity
from models.data import Dataset, Histories, Interactions, Vocabulary

ITEMS = 9
LISTS = st.lists(st.lists(st.integers(0, ITEMS - 1), max_size=5), max_size=6)


def interactions(lists: list[list[int]]) -> Interactions:
    users = np.repeat(np.arange(len(lists)), [len(one) for one in lists]).astype(np.int32)
    items = np.array([item for one in lists for item in one], dtype=np.int32)
    values = np.arange(1, len(items) + 1, dtype=np.float32)
    return Interactions(users, items, values, np.arange(len(items), dtype=np.int64))


@given(LISTS, st.lists(st.integers(0, ITEMS - 1), unique=True, max_size=4))
def test_beside_adds_the_items_to_every_user_and_changes_nothing_else(lists, added):
    users = np.arange(len(lists), dtype=np.int32)
    histories = Histories.of(interactions(lists), users)
    more = histories.preceded_by(np.array(added, dtype=np.int32))
    for user, own in enumerate(lists):
        row = more.rows(user, user + 1)
        assert row.items.tolist() == added + own
        np.testing.assert_array_equal(
            row.values[len(added) :], histories.rows(user, user + 1).values
        )
    np.testing.assert_array_equal(more.users, users)


@given(LISTS.filter(bool), st.lists(st.integers(0, ITEMS - 1), unique=True, max_size=4))
def test_items_beside_the_excluded_history_are_never_recommended(lists, gone):
    events = interactions(lists)
    users = Vocabulary(tuple(f"u{number}" for number in range(len(lists))))
    items = Vocabulary(tuple(f"i{number}" for number in range(ITEMS)))
    context = np.zeros((len(events), 0), np.float32)
    data = Dataset(users, items, events, events.take(np.zeros(0, int)), {}, context)
    histories = data.histories()
    exclude = histories.preceded_by(np.array(gone, dtype=np.int32))
    ranking = Popularity().fit(data).recommend(histories, ITEMS, exclude=exclude)
    assert not set(gone) & set(ranking.items.ravel().tolist())

"""Pairs of events that stand near each other in histories."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from models.baselines.cooccurrence import Windows, gram, pair_weights
from models.baselines.transition import transition_counts
from models.data import Interactions

N_ITEMS = 7


@st.composite
def histories(draw: st.DrawFn) -> Interactions:
    """Events of a few users, some of them at the same time."""
    lengths = draw(st.lists(st.integers(0, 9), max_size=5))
    n_events = sum(lengths)
    items = draw(st.lists(st.integers(0, N_ITEMS - 1), min_size=n_events, max_size=n_events))
    gaps = draw(st.lists(st.integers(0, 4), min_size=n_events, max_size=n_events))
    times = [np.cumsum(part) for part in np.split(np.array(gaps), np.cumsum(lengths)[:-1])]
    return Interactions(
        np.repeat(np.arange(len(lengths), dtype=np.int32), lengths),
        np.array(items, dtype=np.int32),
        np.ones(n_events, dtype=np.float32),
        np.concatenate([*times, []]).astype(np.int64),
    )


KINDS = {
    "after": lambda events: Windows.after(events.users, 3),
    "before": lambda events: Windows.before(events.users, 3),
    "around": lambda events: Windows.around(events, 3, 4),
    "whole": lambda events: Windows.whole(events.users),
}


def is_pair(kind: str, events: Interactions, first: int, second: int) -> bool:
    """Whether the second event counts for the first one, by the definition."""
    if first == second or events.users[first] != events.users[second]:
        return False
    near = abs(second - first) <= 3
    return {
        "after": near and second > first,
        "before": near and second < first,
        "around": near and abs(int(events.timestamps[second] - events.timestamps[first])) <= 4,
        "whole": True,
    }[kind]


@pytest.mark.parametrize("kind", KINDS)
@given(events=histories(), most_entries=st.sampled_from([1, 8, 1 << 20]), step=st.integers(1, 3))
def test_sums_are_those_of_all_pairs_one_by_one(
    kind: str, events: Interactions, most_entries: int, step: int
) -> None:
    """However few sums there is room for, and whichever rows the pairs are of."""
    windows = KINDS[kind](events)
    weights = 0.9 ** np.arange(windows.longest)
    rows = events.items // step
    n_rows = N_ITEMS // step + 1
    blocks = pair_weights(events.items, N_ITEMS, windows, weights, rows, n_rows, most_entries)
    sums = sparse.csr_array(sparse.vstack(list(blocks)))
    wanted: dict[tuple[int, int], float] = defaultdict(float)
    for first in range(len(events)):
        for second in range(len(events)):
            if is_pair(kind, events, first, second):
                wanted[rows[first], events.items[second]] += 0.9 ** (abs(second - first) - 1)
    by_hand = np.zeros((n_rows, N_ITEMS))
    for place, weight in wanted.items():
        by_hand[place] = weight
    np.testing.assert_allclose(sums.toarray(), by_hand, rtol=1e-6)
    assert sums.nnz == len(wanted)
    assert sums.has_sorted_indices or not sums.nnz


def test_few_and_many_pairs_of_a_row_are_summed_alike() -> None:
    """Rows that fill much of a catalogue are looked through in order, the others are sorted."""
    rng = np.random.default_rng(3)
    users = np.repeat(np.arange(40, dtype=np.int32), 50)
    items = rng.permutation(np.repeat(np.arange(1000, dtype=np.int32), 2))
    items[::5] = 5
    events = Interactions(users, items, np.ones(2000, np.float32), np.arange(2000))
    counts = transition_counts(events, 1000, 4, 0.5)
    wanted = np.zeros((1000, 1000))
    for step in range(1, 5):
        same = users[step:] == users[:-step]
        np.add.at(wanted, (items[:-step][same], items[step:][same]), 0.5 ** (step - 1))
    np.testing.assert_allclose(counts.toarray(), wanted, rtol=1e-6)
    lengths = np.diff(counts.indptr)
    assert lengths.max() > 1000 / 16 > lengths.min()


@given(
    chosen=st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=8),
)
def test_the_gram_matrix_is_that_of_the_whole_product(chosen: list[list[bool]]) -> None:
    """As far as it is asked for: on and below the diagonal."""
    matrix = np.array(chosen, dtype=np.float32)
    np.testing.assert_array_equal(gram(sparse.csr_array(matrix)), np.tril(matrix.T @ matrix))

"""Places for items of which little is known."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.exploration import upper_bounds, with_places


@given(st.integers(0, 2**16), st.integers(1, 12), st.integers(0, 15), st.integers(0, 12))
def test_a_list_holds_so_many_uncertain_items_as_there_are_places(
    seed: int, k: int, places: int, kept: int
) -> None:
    rng = np.random.default_rng(seed)
    kept = min(kept, k)
    items = rng.permutation(30)[:k].astype(np.int32)
    scores = np.sort(rng.standard_normal(k))[::-1].astype(np.float32)
    others = rng.permutation(40)[: int(rng.integers(0, 20))].astype(np.int32)
    own = rng.standard_normal(len(others)).astype(np.float32)
    found, given_scores = with_places(items, scores, (others, own), places, kept)
    assert len(found) == len(given_scores) == k and len(set(found.tolist())) == k
    np.testing.assert_array_equal(found[:kept], items[:kept])
    before, after = np.isin(items, others).sum(), np.isin(found, others).sum()
    reachable = min(places, len(np.union1d(items[np.isin(items, others)], others)))
    room = before + (~np.isin(items[kept:], others)).sum()
    assert after == max(before, min(reachable, room))
    stayed = found[np.isin(found, items)]
    np.testing.assert_array_equal(stayed, items[np.isin(items, stayed)])
    added = found[~np.isin(found, items)]
    np.testing.assert_array_equal(added, others[~np.isin(others, items)][: len(added)])


def test_what_was_shown_often_and_never_chosen_makes_room() -> None:
    scores = np.array([1.0, 0.9, -2.0], np.float32)
    bounds = upper_bounds(scores, np.array([1000, 0, 0]))
    assert bounds[1] > bounds[0] > bounds[2]
    np.testing.assert_allclose(upper_bounds(scores * 10, np.array([1000, 0, 0])), bounds * 10)
    assert not len(upper_bounds(np.zeros(0, np.float32), np.zeros(0, np.int64)))

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data import Floats, Histories, Ints
from models.ranking import nearest_rows, popular_first, top_k

LEVELS = [2, 5, 10**6]


@st.composite
def blocks(draw: st.DrawFn) -> tuple[Floats, Ints, Ints, Histories, int]:
    """Scores of a few users for many items, of few or many distinct values, some of them -inf."""
    n_users, m = draw(st.integers(0, 4)), draw(st.integers(1, 300))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scores = rng.integers(-2, draw(st.sampled_from(LEVELS)), (n_users, m)).astype(np.float32)
    scores[rng.random((n_users, m)) < draw(st.sampled_from([0, 0.3, 0.95]))] = -np.inf
    ties = rng.permutation(m + 7).astype(np.int32)
    items = rng.permutation(m + 7)[:m].astype(np.int32)
    lengths = rng.integers(0, 9, n_users)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    gone = rng.integers(-1, m + 7, offsets[-1]).astype(np.int32)
    n = len(gone)
    past = Histories(
        offsets, gone, np.ones(n, np.float32), np.zeros(n, np.int64), np.arange(n_users)
    )
    return scores, ties, items, past, draw(st.integers(1, 12))


@settings(max_examples=200, deadline=None)
@given(blocks())
def test_a_list_is_the_whole_order_without_what_is_excluded(
    block: tuple[Floats, Ints, Ints, Histories, int],
) -> None:
    scores, ties, items, past, k = block
    before = scores.copy()
    ranking = top_k(scores, k, ties, items=items, exclude=past)
    np.testing.assert_array_equal(scores, before)
    for row in range(len(scores)):
        gone = set(past.items[past.offsets[row] : past.offsets[row + 1]].tolist())
        score_of = dict(zip(items.tolist(), scores[row].tolist(), strict=True))
        order = sorted(
            (item for item in score_of if item not in gone and score_of[item] > -np.inf),
            key=lambda item: (-score_of[item], ties[item]),
        )
        expected = (order + [-1] * k)[:k]
        assert ranking.items[row].tolist() == expected
        assert ranking.scores[row].tolist() == [
            score_of[item] if item >= 0 else -np.inf for item in expected
        ]


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 60), st.integers(1, 9), st.integers(1, 25), st.integers(1, 3), st.integers(0, 99)
)
def test_the_nearest_rows_of_blocks_are_those_of_the_whole(
    rows: int, k: int, block: int, threads: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-2, 3, (rows, 4)).astype(np.float32)
    query = rng.integers(-2, 3, 4).astype(np.float32)
    ties = rng.permutation(rows).astype(np.int32)
    found = nearest_rows(vectors, query, k, ties, threads=threads, block=block)
    whole = top_k((vectors @ query)[None], k, ties)
    np.testing.assert_array_equal(found.items, whole.items)
    np.testing.assert_array_equal(found.scores, whole.scores)


def test_where_all_scores_are_equal_the_most_chosen_come_first() -> None:
    counts, ties = np.array([3, 9, 3, 0]), np.array([1, 3, 0, 2], dtype=np.int32)
    alike = top_k(np.zeros((1, 4), np.float32), 4, popular_first(counts, ties))
    assert alike.items[0].tolist() == [1, 2, 0, 3]
    scores = np.array([[0, 0, 0, 1]], dtype=np.float32)
    assert top_k(scores, 2, popular_first(counts, ties)).items[0].tolist() == [3, 1]

"""Lists whose items are good and unlike one another."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyversity import Strategy, diversify

from models.diversity import marginal_relevance


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.floats(0, 1), st.integers(0, 2**16))
@example(6, 1 - 1e-16, 1)
@example(33, 1 - 1e-12, 3)
@example(31, 0.5, 2957)
def test_items_are_chosen_as_pyversity_chooses_them(n: int, diversity: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    vectors = draw.standard_normal((n, 24)).astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1)
    relevance = draw.random(n).astype(np.float32)
    k = int(draw.integers(1, n + 1))
    expected = diversify(vectors, relevance, k, strategy=Strategy.MMR, diversity=diversity)
    found = marginal_relevance(vectors, lengths, relevance, k, diversity)
    differ = np.flatnonzero(found != expected.indices)
    if len(differ):
        # Sums in float32 differ in their last digit: two items may be as good but for that.
        first, unit = differ[0], vectors / lengths[:, None]
        cosines = (unit @ unit[found[:first]].T).max(axis=1).clip(0)
        values = (1 - diversity) * relevance - diversity * cosines
        assert abs(values[found[first]] - values[expected.indices[first]]) < 1e-6


def test_what_is_the_same_again_is_chosen_last() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]
    relevance = np.array([1, 0.9, 0.5, 0.4], np.float32)
    every, lengths = range(5), np.ones(4, np.float32)
    lists = [marginal_relevance(vectors, lengths, relevance, 4, d / 4).tolist() for d in every]
    assert lists[0] == [0, 1, 2, 3] and lists[2] == lists[3] == [0, 2, 3, 1]

"""Nights that every user takes part in, and what is printed of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.warm_start import Compared, parts_of, table
from models.evaluation import PairedDifference


@given(st.lists(st.integers(1, 80), min_size=1, max_size=5))
def test_parts_are_of_one_size_and_in_the_order_of_a_users_events(counts: list[int]) -> None:
    parts = parts_of(np.repeat(np.arange(len(counts), dtype=np.int32), counts))
    for own in np.split(parts, np.cumsum(counts)[:-1]):
        assert (np.diff(own) >= 0).all() and own[0] == 0 and own[-1] < 25
        sizes = np.bincount(own, minlength=25)
        assert sizes.max() - sizes.min() <= 1


def test_each_way_to_fit_is_a_row_and_scratch_is_not_compared_with_itself() -> None:
    less = PairedDifference(-0.0012, -0.0068, 0.0042, 0.6, 600)
    rows = [
        Compared("transformer", "from scratch", 24.8, 34.7, 0.0, 0.0931, less),
        Compared("transformer", "warm", 6.8, 10.3, 0.726, 0.0918, less),
    ]
    scratch, warm = table(rows).splitlines()[2:]
    assert scratch == "| transformer | from scratch | 24.8 | 34.7 | – | 0.0931 | – |"
    assert warm.endswith("| 73% | 0.0918 | -0.0012 [-0.0068, +0.0042] |")

import datetime as dt

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.encoders.attributes import encode_attributes
from models.encoders.reviews import cumulative_reviews

NUMBERS = pl.List(pl.Struct({"name": pl.String, "value": pl.Float64}))


def month_of(microseconds: int) -> tuple[int, int]:
    instant = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=microseconds)
    return instant.year, instant.month


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.integers(-(10**14), 10**15),
            hnp.arrays(np.float32, 2, elements=st.floats(-4, 4, width=32)),
        ),
        max_size=40,
    )
)
def test_reviews_agree_with_a_loop(reviews: list[tuple[int, int, np.ndarray]]) -> None:
    items = np.array([item for item, _, _ in reviews], dtype=np.int32)
    times = np.array([time for _, time, _ in reviews], dtype=np.int64)
    vectors = np.array([vector for *_, vector in reviews], dtype=np.float32).reshape(-1, 2)
    rows, known_at, means = cumulative_reviews(items, times, vectors)
    groups: dict[tuple[int, tuple[int, int]], int] = {}
    for item, time, _ in reviews:
        key = (item, month_of(time))
        groups[key] = max(groups.get(key, time), time)
    expected = sorted((item, last) for (item, _), last in groups.items())
    assert list(zip(rows.tolist(), (known_at - 1).tolist(), strict=True)) == expected
    for (item, last), mean in zip(expected, means, strict=True):
        known = [vector for other, time, vector in reviews if other == item and time <= last]
        np.testing.assert_allclose(mean, np.mean(known, axis=0), atol=1e-4)
    assert [a.dtype.name for a in (rows, known_at, means)] == ["int32", "int64", "float32"]


def test_a_review_is_not_known_at_its_own_instant() -> None:
    _, known_at, _ = cumulative_reviews(
        np.zeros(1, np.int32), np.array([77], np.int64), np.ones((1, 2), np.float32)
    )
    assert not (known_at < 77).any() and (known_at < 79).all()


def test_attributes_become_columns() -> None:
    categories = pl.Series([["b", "a"], ["a"], [], None, ["rare"]], dtype=pl.List(pl.String))
    numbers = pl.Series(
        [
            [{"name": "year", "value": 1990.0}, {"name": "price", "value": 1.0}],
            [{"name": "year", "value": 2010.0}],
            [{"name": "year", "value": float("nan")}],
            None,
            [{"name": "year", "value": 2000.0}, {"name": "price", "value": 3.0}],
        ],
        dtype=NUMBERS,
    )
    found = encode_attributes(categories, numbers)
    assert found.names == ("category=a", "price", "year", "price is missing", "year is missing")
    assert found.present.tolist() == [True, True, False, False, True]
    columns = dict(zip(found.names, found.features.T.tolist(), strict=True))
    assert columns["category=a"] == [1, 1, 0, 0, 0]
    assert columns["price"] == [-1, 0, 0, 0, 1]
    assert columns["price is missing"] == [0, 1, 0, 0, 0]
    np.testing.assert_allclose(columns["year"], [-1.2247, 1.2247, 0, 0, 0], atol=1e-4)


def test_items_without_anything_are_absent() -> None:
    found = encode_attributes(
        pl.Series([[], None], dtype=pl.List(pl.String)), pl.Series([[], None], dtype=NUMBERS)
    )
    assert found.features.shape == (2, 0) and not found.present.any()


def test_only_the_most_frequent_categories_are_kept() -> None:
    categories = pl.Series([["a", "b"], ["b", "c"], ["b", "c"], ["a"]], dtype=pl.List(pl.String))
    none = pl.Series([None] * 4, dtype=NUMBERS)
    found = encode_attributes(categories, none, max_categories=1)
    assert found.names == ("category=b",)
    assert encode_attributes(categories, none, max_categories=2).names == (
        "category=a",
        "category=b",
    )


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=4), min_size=1, max_size=30))
def test_the_order_of_items_does_not_matter(lists: list[list[str]]) -> None:
    none = pl.Series([None] * len(lists), dtype=NUMBERS)
    forth = encode_attributes(pl.Series(lists, dtype=pl.List(pl.String)), none)
    back = encode_attributes(pl.Series(lists[::-1], dtype=pl.List(pl.String)), none)
    assert forth.names == back.names
    np.testing.assert_array_equal(forth.features, back.features[::-1])

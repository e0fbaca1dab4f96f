"""Drift is found where there is some, and chance alone is not taken for it."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.drift.distances import (
    Histogram,
    Sizes,
    binned,
    decile_edges,
    has_near_duplicate,
    mean_shift,
    psi,
    wasserstein,
)
from models.drift.measured import CHANCE, Embeddings, Measured, of_events, of_modality
from models.drift.of_answers import of_answers

N_ITEMS = 300
TYPES = np.array(["click", "play", "like", "rating", "review"])
LIMITS = {
    "psi": 0.2,
    "mean_shift": 0.3,
    "near_duplicates": 0.1,
    "missing": 0.1,
    "fallback": 0.05,
    "click_through": 0.2,
}
ITEMS = pl.Series([f"i{item}" for item in range(N_ITEMS)])
CATEGORIES = pl.DataFrame({"item_id": ITEMS, "category": [f"c{i % 7}" for i in range(N_ITEMS)]})


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def drawn_events(rng: np.random.Generator, n: int, per_user: int) -> pl.DataFrame:
    """Events of users who all like one of three kinds of items; the newest tenth is `current`."""
    owners = rng.integers(0, max(n // per_user, 2), n)
    items = (rng.zipf(1.6, n) * 3 + owners % 3) % N_ITEMS
    return pl.DataFrame(
        {
            "owner": owners,
            "item_id": ITEMS.gather(items),
            "event_type": TYPES[rng.choice(5, n, p=[0.5, 0.3, 0.1, 0.08, 0.02])],
            "value": rng.choice(np.arange(1, 11) / 2, n, p=np.arange(1, 11) / 55),
            "current": np.arange(n) >= n - n // 10,
        }
    )


def embeddings(rng: np.random.Generator) -> Embeddings:
    """Of nine in ten items, of which one in ten is a copy of another."""
    vectors = unit(rng.normal(size=(N_ITEMS, 16)) + 0.5)
    vectors[::10] = vectors[1::10]
    there = np.flatnonzero(rng.random(N_ITEMS) < 0.9)
    return Embeddings(ITEMS.gather(there), vectors[there])


def measured(events: pl.DataFrame, has: Embeddings) -> list[Measured]:
    return [*of_events(events, CATEGORIES), *of_modality(events, "image", has, seed=1)]


def alarms(found: list[Measured], least: float = 0) -> list[tuple[str, str]]:
    return [
        (one.measure, one.subject) for one in found if one.has_drifted(LIMITS[one.measure], least)
    ]


@pytest.mark.parametrize(
    ("n", "per_user", "runs"), [(200, 1, 300), (200, 5, 300), (20_000, 40, 60)]
)
def test_events_of_the_same_seldom_raise_an_alarm(n: int, per_user: int, runs: int) -> None:
    rng = np.random.default_rng(n + per_user)
    has = embeddings(rng)
    raised = [alarms(measured(drawn_events(rng, n, per_user), has)) for _ in range(runs)]
    assert sum(map(bool, raised)) <= runs / 100, [names for names in raised if names]


def _other_values(events: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(
        value=pl.when("current").then(6 - pl.col("value")).otherwise("value")
    )


def _other_types(events: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(
        event_type=pl.when("current").then(pl.lit("share")).otherwise("event_type")
    )


def _other_items(events: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(item_id=pl.when("current").then(pl.lit("i0")).otherwise("item_id"))


def _unknown_items(events: pl.DataFrame) -> pl.DataFrame:
    lacks = pl.col("current") & (pl.col("owner") % 2 == 0)
    return events.with_columns(item_id=pl.when(lacks).then(pl.lit("new")).otherwise("item_id"))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_other_values, [("psi", "value")]),
        (_other_types, [("psi", "type")]),
        (
            _other_items,
            [("psi", "category"), ("mean_shift", "image"), ("near_duplicates", "image")],
        ),
        (_unknown_items, [("missing", "image")]),
    ],
)
def test_what_has_changed_is_named(
    change: Callable[[pl.DataFrame], pl.DataFrame], found: list[tuple[str, str]]
) -> None:
    rng = np.random.default_rng(3)
    vectors = unit(rng.normal(size=(N_ITEMS, 16)))
    vectors[2] = vectors[0]
    events = change(drawn_events(rng, 20_000, 10))
    assert alarms(measured(events, Embeddings(ITEMS, vectors)), least=50) == found
    few = events.filter(pl.col("owner") < 40)
    assert alarms(measured(few, Embeddings(ITEMS, vectors)), least=50) == [], "too few users"


def test_many_events_of_few_users_are_not_taken_for_many() -> None:
    rng = np.random.default_rng(5)
    raised = 0
    for _ in range(100):
        owners = np.concatenate([rng.integers(0, 300, 9000), rng.integers(300, 312, 1000)])
        favourite = rng.choice(np.arange(1, 11) / 2, 312)
        events = pl.DataFrame(
            {
                "owner": owners,
                "item_id": ITEMS.gather(rng.integers(0, N_ITEMS, 10_000)),
                "event_type": "rating",
                "value": favourite[owners],
                "current": np.arange(10_000) >= 9000,
            }
        )
        raised += bool(alarms(list(of_events(events, CATEGORIES))))
    assert raised <= 1, "each user gives the same stars to everything"


def test_few_users_with_a_value_or_a_category_are_not_taken_for_all_users() -> None:
    rng = np.random.default_rng(6)
    few, raised = CATEGORIES.head(6), 0
    for _ in range(100):
        events = drawn_events(rng, 20_000, 10).with_columns(
            item_id=ITEMS.gather(rng.integers(0, N_ITEMS, 20_000)),
            value=pl.when(pl.lit(pl.Series(rng.random(20_000) < 0.01))).then("value"),
        )
        raised += bool(alarms(list(of_events(events, few))))
    assert raised <= 1, "one event in a hundred has a value, and one item in fifty a category"


def test_values_below_all_before_are_found() -> None:
    events = drawn_events(np.random.default_rng(7), 20_000, 10)
    plays = events.with_columns(value=pl.when("current").then(0.5).otherwise(1.0))
    assert alarms(list(of_events(plays, CATEGORIES))) == [("psi", "value")]
    (steady, *_) = of_events(plays.with_columns(value=pl.lit(1.0)), CATEGORIES)
    assert steady.subject == "value" and steady.distance.value == 0


def test_one_window_without_events_measures_nothing() -> None:
    events = drawn_events(np.random.default_rng(1), 200, 2).with_columns(current=pl.lit(False))
    assert measured(events, embeddings(np.random.default_rng(1))) == []


def histogram(values: np.ndarray) -> Histogram:
    counts, edges = np.histogram(values, bins=200)
    return Histogram(edges, counts.astype(float), float(values.std()))


DRAWS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed": lambda rng, n: rng.exponential(size=n) ** 2,
    "two values": lambda rng, n: rng.integers(0, 2, n).astype(float),
}


@pytest.mark.parametrize("kind", DRAWS)
@pytest.mark.parametrize("n", [200, 20_000])
def test_features_of_the_same_seldom_raise_an_alarm_and_a_shift_does(kind: str, n: int) -> None:
    rng, draw = np.random.default_rng(n), DRAWS[kind]
    sizes = Sizes(n * 0.9, n * 0.1, CHANCE)

    def found(shift: float) -> bool:
        older, newer = draw(rng, int(sizes.reference)), draw(rng, int(sizes.current))
        one = wasserstein(histogram(older), histogram(newer + shift * older.std()), sizes)
        return one.value > max(0.3, one.noise)

    assert sum(found(0) for _ in range(200)) <= 2
    assert all(found(2.0 if n == 200 else 0.5) for _ in range(20))


def test_a_constant_feature_that_changes_is_found() -> None:
    sizes = Sizes(100, 100, CHANCE)
    one, two = (Histogram(np.array([at, at]), np.array([100.0]), 0.0) for at in (1.0, 9.0))
    assert wasserstein(one, one, sizes).value == 0
    changed = wasserstein(one, two, sizes)
    assert changed.value > changed.noise


@given(
    shares=st.lists(st.integers(1, 50), min_size=2, max_size=12),
    size=st.integers(50, 100_000),
    data=st.data(),
)
def test_psi_is_0_for_the_same_shares_and_grows_with_what_moves(
    shares: list[int], size: int, data: st.DataObject
) -> None:
    reference = np.array(shares, dtype=float)
    sizes = Sizes(size, size, CHANCE)
    assert psi(reference, 3 * reference, sizes).value == pytest.approx(0, abs=1e-9)
    place = data.draw(st.integers(0, len(shares) - 1))
    moved = [reference + np.where(np.arange(len(shares)) == place, more, 0) for more in (9, 999)]
    less, more = (psi(reference, one, sizes).value for one in moved)
    assert 0 <= less <= more + 1e-9


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=200))
def test_every_value_is_in_a_bin(values: list[float]) -> None:
    known = np.array(values)
    counts = binned(known, decile_edges(known))
    assert counts.sum() == len(values) and len(counts) <= 11


def test_only_copies_are_near_duplicates() -> None:
    vectors = unit(np.random.default_rng(1).normal(size=(700, 32)))
    vectors[690] = unit(vectors[3:4] + 1e-4)[0]
    found = has_near_duplicate(vectors, np.arange(700), 0.999)
    assert np.flatnonzero(found).tolist() == [3, 690]


def test_the_mean_shift_is_in_units_of_the_spread() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(4000, 8)).astype(np.float32)
    vectors[2000:, 0] += 2
    older, newer = (np.arange(4000) < 2000).astype(float), (np.arange(4000) >= 2000).astype(float)
    moved = mean_shift(vectors, older, newer, Sizes(2000, 2000, CHANCE))
    assert moved.value == pytest.approx(2 / np.sqrt(8), rel=0.1) and moved.value > moved.noise


def shown(
    rng: np.random.Generator, n: int, fallback: float, rates: tuple[float, float]
) -> pl.DataFrame:
    newer = np.arange(n) >= n // 2
    return pl.DataFrame(
        {
            "request_id": [f"r{row}" for row in range(n)],
            "user_id": [f"u{row % (n // 2)}" for row in range(n)],
            "event_timestamp": np.arange(n),
            "answered_by": np.where(newer, "new", "old"),
            "fallback": rng.random(n) < np.where(newer, fallback, 0.0),
            "chosen": rng.random(n) < np.where(newer, rates[1], rates[0]),
        }
    )


@pytest.mark.parametrize(("n", "runs"), [(200, 300), (20_000, 60)])
def test_answers_that_are_as_before_seldom_raise_an_alarm(n: int, runs: int) -> None:
    rng = np.random.default_rng(n)
    raised = [
        alarms(list(of_answers(shown(rng, n, 0.05, (0.1, 0.1)), LIMITS["fallback"])))
        for _ in range(runs)
    ]
    assert sum(map(bool, raised)) <= runs / 100, raised


def test_fallbacks_and_a_loss_of_clicks_are_found() -> None:
    rng = np.random.default_rng(1)
    worse = list(of_answers(shown(rng, 20_000, 0.2, (0.2, 0.1)), LIMITS["fallback"]))
    assert alarms(worse, 50) == [("fallback", "answers"), ("click_through", "newest version")]
    better = list(of_answers(shown(rng, 20_000, 0.0, (0.1, 0.2)), LIMITS["fallback"]))
    assert alarms(better, 50) == []
    assert better[1].distance.value == pytest.approx(-1, abs=0.2)
    assert list(of_answers(shown(rng, 20, 0.0, (0.1, 0.1)).clear(), 0.05)) == []

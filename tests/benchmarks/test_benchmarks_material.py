"""What a split of the benchmark may know of the items."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from benchmarks._tokens import Material
from benchmarks.quality.material import split_data
from models.assembly import indexed_events
from models.splits.names import GLOBAL_TEMPORAL, USER_TEMPORAL

ITEMS = [f"i{item}" for item in range(10)]
START = datetime(2026, 1, 1, tzinfo=UTC)


def events() -> pl.DataFrame:
    """Ten users who each have ten events with a review, one user after the other."""
    pairs = [(user, item) for user in range(10) for item in range(10)]
    return pl.DataFrame(
        {
            "user_id": [f"u{user}" for user, _ in pairs],
            "item_id": [ITEMS[item] for _, item in pairs],
            "value": [1.0] * 100,
            "event_timestamp": [START + timedelta(days=10 * user + item) for user, item in pairs],
            "text": [f"{user} on {item}" for user, item in pairs],
        },
        schema_overrides={"event_timestamp": pl.Datetime("us", "UTC")},
    )


def source(frame: pl.DataFrame) -> SimpleNamespace:
    """A source of these events alone."""
    return SimpleNamespace(interactions=lambda: SimpleNamespace(frame=frame.lazy()))


def material(frame: pl.DataFrame) -> Material:
    reviews = frame.select("item_id", "event_timestamp", "text").with_columns(
        vector=pl.lit([1.0, 2.0])
    )
    items = pl.DataFrame({"item_id": ITEMS, "categories": [["all"]] * 10})
    return Material(indexed_events(frame, ITEMS, 42), items, {}, {}, reviews)


@pytest.mark.parametrize("split", [USER_TEMPORAL, GLOBAL_TEMPORAL])
def test_no_review_of_a_held_out_event_is_known(split: str) -> None:
    frame = events()
    found = split_data(material(frame), source(frame), split, 42)  # type: ignore[arg-type]
    kept = int(found.dataset.tokens["reviews"].known_at.max())
    train = found.dataset.train.timestamps.max()
    assert kept <= train + 1
    assert len(found.test) == 10


def test_with_one_cut_in_time_reviews_that_came_later_are_not_known() -> None:
    frame = events()
    log = material(frame)
    # A reviewer whose own events all count as training, long after the cut of everyone else.
    late = frame.head(1).with_columns(
        event_timestamp=pl.lit(START + timedelta(days=500)).cast(pl.Datetime("us", "UTC")),
        user_id=pl.lit("someone else"),
    )
    given = source(pl.concat([frame, late]))
    found = split_data(log, given, GLOBAL_TEMPORAL, 42)  # type: ignore[arg-type]
    cut = found.dataset.validation.timestamps.min()
    assert (found.dataset.train.timestamps < cut).all()
    assert (found.dataset.tokens["reviews"].known_at <= cut).all()
    assert np.isin(np.arange(10), found.dataset.tokens["reviews"].items).all()

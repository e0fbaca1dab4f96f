"""Click-through: what an answer showed, what its user chose of that, and which version answered."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from assets.drift_pictures import click_through_over_time
from crossmodal.answer_ids import answer_id
from models.drift.clicks import UNNAMED, latest_versions, rates, shown_items, totals
from models.drift.intervals import wilson

DAY = datetime(2026, 3, 1, tzinfo=UTC)
FIRST, SECOND, THIRD = (
    answer_id("ease-all-events-1f2e3d4c", "champion"),
    answer_id("mmnn.v2-f7da3de3", "fallback"),
    "5e1f0c2a9b7d4e6f8a0b1c2d",
)


def reports(*rows: tuple[str, str, str | None, dict[str, Any]]) -> pl.LazyFrame:
    """Rows of type, item, request id, and what else is not as usual."""
    usual = {"user_id": "ada", "value": None, "rank": None, "event_timestamp": DAY}
    given = [
        {**usual, "event_type": kind, "item_id": item, "request_id": request, **more}
        for kind, item, request, more in rows
    ]
    schema = {"value": pl.Float64, "rank": pl.Int32, "request_id": pl.String}
    return pl.LazyFrame(given, schema_overrides=schema)


def test_choices_count_for_the_answer_that_showed_the_item() -> None:
    later = {"event_timestamp": DAY + timedelta(days=1)}
    shown = shown_items(
        reports(
            ("impression", "a", FIRST, {"rank": 1}),
            ("impression", "a", FIRST, {"rank": 1, **later}),
            ("impression", "b", FIRST, {"rank": 2}),
            ("impression", "a", SECOND, later),
            ("impression", "c", SECOND, later),
            ("impression", "a", THIRD, later),
            ("impression", "a", None, {}),
            ("click", "a", FIRST, {}),
            ("like", "a", FIRST, later),
            ("hide", "b", FIRST, {}),
            ("rating", "b", FIRST, {"value": 0.0}),
            ("rating", "c", SECOND, {"value": 4.0}),
            ("click", "a", None, {}),
            ("click", "z", FIRST, {}),
            ("undone", "a", None, {}),
        )
    )
    facts = shown.select("item_id", "answered_by", "fallback", "chosen").rows()
    assert sorted(facts, key=str) == [
        ("a", "ease-all-events-1f2e3d4c", False, True),
        ("a", "mmnn.v2-f7da3de3", True, False),
        ("a", UNNAMED, None, False),
        ("b", "ease-all-events-1f2e3d4c", False, False),
        ("c", "mmnn.v2-f7da3de3", True, True),
    ], "shown twice counts once; a choice counts once, and for the answer it names"
    counted = rates(shown).select("answered_by", "day", "rank", "impressions", "chosen").rows()
    first, day = "ease-all-events-1f2e3d4c", DAY.date()
    assert counted == [
        (first, day, None, 2, 1),
        (first, None, 1, 1, 1),
        (first, None, 2, 1, 0),
        ("mmnn.v2-f7da3de3", day + timedelta(days=1), None, 2, 1),
        (UNNAMED, day + timedelta(days=1), None, 1, 0),
    ]
    over_all = {row["answered_by"]: row["rate"] for row in totals(shown).to_dicts()}
    assert over_all == {first: 0.5, "mmnn.v2-f7da3de3": 0.5, UNNAMED: 0.0}


def test_the_versions_that_answered_last_are_drawn(tmp_path: Path) -> None:
    # Each night another version answers, and the names do not follow the nights.
    nights = [(f"{'zyxwvutsrq'[night]}-all-events-1f2e3d4c", night) for night in range(10)]
    found = rates(
        shown_items(
            reports(
                *(
                    ("impression", item, answer_id(version, "champion"), {"event_timestamp": at})
                    for version, night in nights
                    for at in [DAY + timedelta(days=night)]
                    for item in "abc"
                )
            )
        )
    )
    assert latest_versions(found, 3) == [version for version, _ in nights[-3:]]
    click_through_over_time(tmp_path / "clicks.png", found)
    assert (tmp_path / "clicks.png").stat().st_size > 0, "nobody chose anything of three items"


def test_nothing_shown_gives_an_empty_table() -> None:
    empty = shown_items(reports(("click", "a", FIRST, {})))
    assert empty.is_empty() and rates(empty).is_empty() and totals(empty).is_empty()


def test_every_share_lies_in_its_interval() -> None:
    n = np.repeat(np.arange(1, 200), 2)
    hits = np.where(np.arange(len(n)) % 2, n, 0)
    low, high = wilson(hits, n)
    assert (low <= hits / n).all() and (hits / n <= high).all(), "a picture refuses a negative bar"


@pytest.mark.parametrize(("share", "n"), [(0.02, 400), (0.5, 30)])
def test_nineteen_of_twenty_intervals_hold_the_rate(share: float, n: int) -> None:
    hits = np.random.default_rng(1).binomial(n, share, 4000)
    low, high = wilson(hits, np.full(4000, n))
    assert np.mean((low <= share) & (share <= high)) > 0.93
    assert np.allclose(wilson(np.array([0]), np.array([0])), [[0], [1]])

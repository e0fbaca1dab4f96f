"""Which events count as newer."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from assets.drift_windows import cut_between

HOUR = timedelta(hours=1)
FITTED = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("users", "of_the_busiest", "since_the_fit"),
    # Of sixty users one may do nearly everything: by these, nothing could be judged.
    [(60, 1, True), (40, 1, False), (60, 100, False)],
)
def test_newer_is_what_came_since_the_fit_if_it_can_be_judged(
    users: int, of_the_busiest: int, *, since_the_fit: bool
) -> None:
    before = [(f"u{number % 90}", FITTED - number * HOUR) for number in range(1500)]
    who = ["busy"] * of_the_busiest + [f"u{number}" for number in range(1, users)]
    since = [(user, FITTED + number * HOUR) for number, user in enumerate(who, start=1)]
    events = pl.LazyFrame([*before, *since], schema=["user_id", "event_timestamp"], orient="row")
    cut = cut_between(events, FITTED, least=50)
    assert (cut == FITTED) is since_the_fit
    if not since_the_fit:
        newer = events.select((pl.col("event_timestamp") > cut).mean()).collect().item()
        assert newer == pytest.approx(0.1, abs=0.01), "the newest tenth"

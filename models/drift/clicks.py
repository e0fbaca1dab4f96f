"""What became of what was shown: click-through, by the version that answered."""

import polars as pl

from crossmodal.answer_ids import answered_by, fell_back
from crossmodal.event_log import SIGNS_OF_INTEREST
from models.drift.intervals import wilson

UNNAMED = "unnamed"
"""What answered, where an event names an answer whose id does not say."""

RATES = {
    "answered_by": pl.String,
    "day": pl.Date,
    "rank": pl.Int32,
    "impressions": pl.Int64,
    "chosen": pl.Int64,
    "rate": pl.Float64,
    "rate_low": pl.Float64,
    "rate_high": pl.Float64,
}
_SHOWN = ["request_id", "item_id"]


def shown_items(reports: pl.LazyFrame) -> pl.DataFrame:
    """Each item that an answer showed, once, and whether its user then chose it.

    An item counts as chosen by a click, a play, a like or a rating, with a value above 0 if it has
    one, that names the same answer. Impressions that name no answer are left out, since nothing
    says what showed them, and so is what was chosen without being reported as shown.

    Args:
        reports: user_id, item_id, event_type, value, request_id, event_timestamp and rank.

    Returns:
        request_id, item_id, user_id, event_timestamp, rank, answered_by, fallback and chosen, the
        earliest first.
    """
    named = reports.filter(pl.col("request_id").is_not_null())
    signs = pl.col("event_type").is_in(sorted(SIGNS_OF_INTEREST))
    wanted = named.filter(signs & (pl.col("value").fill_null(1) > 0)).select(_SHOWN).unique()
    request = pl.col("request_id")
    return (
        named.filter(pl.col("event_type") == "impression")
        .sort("event_timestamp", *_SHOWN)
        .unique(_SHOWN, keep="first", maintain_order=True)
        .join(wanted.with_columns(chosen=True), on=_SHOWN, how="left", maintain_order="left")
        .select(
            *_SHOWN,
            "user_id",
            "event_timestamp",
            "rank",
            answered_by=answered_by(request).fill_null(UNNAMED),
            fallback=fell_back(request),
            chosen=pl.col("chosen").fill_null(False),
        )
        .collect()
    )


def rates(shown: pl.DataFrame) -> pl.DataFrame:
    """Click-through with 95 % Wilson intervals, as rows of `RATES`.

    A row is of a version on a day (`rank` is null) or of a version at a rank (`day` is null).

    Args:
        shown: from `shown_items`.
    """
    dated = shown.with_columns(day=pl.col("event_timestamp").dt.date())
    counted = [
        dated.filter(pl.col(by).is_not_null())
        .group_by("answered_by", by)
        .agg(impressions=pl.len(), chosen=pl.col("chosen").sum())
        for by in ("day", "rank")
    ]
    return (
        with_intervals(pl.concat(counted, how="diagonal_relaxed"))
        .sort("answered_by", "day", "rank", nulls_last=True)
        .select(pl.col(name).cast(kind) for name, kind in RATES.items())
    )


def totals(shown: pl.DataFrame) -> pl.DataFrame:
    """Click-through of each version over all days, the version that answered last first."""
    by_version = shown.group_by("answered_by").agg(
        impressions=pl.len(), chosen=pl.col("chosen").sum(), last=pl.col("event_timestamp").max()
    )
    ordered = by_version.sort("last", "answered_by", descending=[True, False])
    return with_intervals(ordered.drop("last"))


def latest_versions(rates: pl.DataFrame, most: int) -> list[str]:
    """At most so many versions, those that answered last, the latest of them at the end.

    Args:
        rates: rows of `RATES`.
        most: versions.
    """
    last = rates.group_by("answered_by").agg(pl.col("day").max())
    return last.sort("day", "answered_by")["answered_by"].tail(most).to_list()


def with_intervals(counted: pl.DataFrame) -> pl.DataFrame:
    """Adds rate, rate_low and rate_high to rows of impressions and chosen."""
    low, high = wilson(counted["chosen"].to_numpy(), counted["impressions"].to_numpy())
    return counted.with_columns(
        rate=pl.col("chosen") / pl.col("impressions"),
        rate_low=pl.Series(low, dtype=pl.Float64),
        rate_high=pl.Series(high, dtype=pl.Float64),
    )

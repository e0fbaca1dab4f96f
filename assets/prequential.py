"""How well the version that answers ranked the events that have come in since it was fitted."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.by_hand import why_unreadable
from assets.registry import fitted_until, open_registry
from assets.stage import Context
from assets.table_asset import Making, table_asset
from assets.watching import Watched, watch
from crossmodal.lake import Lake
from crossmodal.workspace import Workspace
from feature_repo.events import positive_events
from models.assembly import IndexedEvents, indexed_events

if TYPE_CHECKING:
    from models.prequential import NextEvents

PREQUENTIAL = "prequential_evaluation"
"""The asset and the lake table: one row per run that found newer events."""

FEWEST_USERS = 20
"""With fewer, the bootstrap's interval is too narrow to say that a version is worse."""

_INSTANT = pl.Datetime("us", "UTC")
_SCHEMA = pl.Schema(
    {
        "answering_version": pl.String(),
        "since": _INSTANT,
        "until": _INSTANT,
        "events": pl.Int64(),
        "users": pl.Int64(),
        "ndcg_10": pl.Float64(),
        "popularity_ndcg_10": pl.Float64(),
        "hit_rate_10": pl.Float64(),
        "popularity_hit_rate_10": pl.Float64(),
        "difference": pl.Float64(),
        "ci_low": pl.Float64(),
        "ci_high": pl.Float64(),
    }
)
_SHOWN = {
    "ndcg_10": "ndcg_at_10",
    "popularity_ndcg_10": "popularity_ndcg_at_10",
    "hit_rate_10": "hit_rate_at_10",
    "popularity_hit_rate_10": "popularity_hit_rate_at_10",
    "difference": "over_popularity",
    "ci_low": "over_popularity_low",
    "ci_high": "over_popularity_high",
    "events": "events",
    "users": "users",
}


@dataclass(frozen=True)
class Measured:
    """The newest row of the table that says something of a version.

    Attributes:
        until: the newest event that judged.
        worse: whether the version ranked worse than popularity, beyond chance.
        said: what was found, a sentence.
    """

    until: datetime
    worse: bool
    said: str


def last_measured(lake: Lake) -> Measured | None:
    """What the newest events said of the version that answered them; None where there were none.

    Events of too few users, such as those of an hour, change nothing about what more have said.
    """
    row = _last_row(lake, FEWEST_USERS) or _last_row(lake, 1)
    if row is None:
        return None
    enough = row["users"] >= FEWEST_USERS
    said = (
        f"{row['answering_version']} has {row['difference']:+.4f} NDCG@10 over popularity "
        f"({row['ci_low']:+.4f} to {row['ci_high']:+.4f}) on {row['events']:,} events of "
        f"{row['users']:,} users after {row['since']:%Y-%m-%d %H:%M} UTC, which it was not fitted "
        f"to{'' if enough else f'; fewer than {FEWEST_USERS} users say nothing for sure'}."
    )
    return Measured(row["until"], enough and row["ci_high"] < 0, said)


def _last_row(lake: Lake, fewest_users: int) -> dict[str, Any] | None:
    if not lake.exists(PREQUENTIAL):
        return None
    rows = lake.read(PREQUENTIAL).filter(pl.col("users") >= fewest_users).tail(1)
    return next(rows.iter_rows(named=True), None)


def _figures(workspace: Workspace) -> dict[str, Any]:
    row = _last_row(workspace.lake, 1) or {}
    return {shown: row[name] for name, shown in _SHOWN.items() if name in row}


@table_asset(
    inputs=["interactions"],
    # It must know the items that the events are about.
    after=["items"],
    figures=_figures,
    group="evaluation",
    kinds={"numpy", "parquet"},
    code_version="1",
)
def prequential_evaluation(making: Making) -> None:
    """How the version that answers ranked the newest events before any model learned from them.

    Each run that finds newer events adds a row. The comparison is with the most popular items of
    the same instant.
    """
    watch(making, PREQUENTIAL, _SCHEMA, partial(_with_this_run, making))


def _with_this_run(making: Making, before: pl.DataFrame) -> Watched:
    """The table with the row of this run, if it found newer events."""
    row = _measured(making.context, making.workspace, before)
    added = pl.DataFrame([] if row is None else [row], schema=_SCHEMA)
    return pl.concat([before, added]), {}


def _measured(
    context: Context, workspace: Workspace, before: pl.DataFrame
) -> dict[str, Any] | None:
    """The row of the events that are newer than the version and than every earlier row."""
    version = open_registry(workspace).champion()
    if version is None:
        return None
    if unreadable := why_unreadable(workspace, version):
        context.log.warning(f"The version that answers cannot be judged. {unreadable}")
        return None
    known = fitted_until(workspace, version)
    if known is None:
        context.log.info(f"{version} does not record which events it was fitted to.")
        return None
    events = positive_events(workspace.lake).select(
        "user_id", "item_id", "value", "event_timestamp"
    )
    until = events.select(pl.col("event_timestamp").max()).collect().item()
    if until is None:
        return None
    # Rows of a source that is no longer read may be of later events than there are.
    since = max([known, *(one for one in before["until"] if one <= until)])
    if until <= since:
        return None
    items = workspace.lake.scan("items").select("item_id").collect()["item_id"].to_list()
    log = indexed_events(events.collect(), items, workspace.settings.seed)
    found = _judged(workspace, version, log, since)
    row = {
        "answering_version": version,
        "since": since,
        "until": until,
        **_columns(found),
    }
    context.log.info(f"{version} on {found.events:,} new events: NDCG@10 {found.ndcg:.4f}.")
    return row


def _judged(
    workspace: Workspace, version: str, log: IndexedEvents, since: datetime
) -> "NextEvents":
    from models.prequential import judged_by_next
    from models.reindexed import Reindexed

    registry, settings = open_registry(workspace), workspace.settings
    known = registry.item_ids(version)
    instant = pl.Series([since], dtype=_INSTANT).dt.timestamp("us").item()
    return judged_by_next(
        Reindexed(registry.load(version), known, log.item_ids, settings.seed),
        log.events,
        (log.user_ids, log.item_ids),
        instant,
        samples=settings.bootstrap_samples,
        seed=settings.seed,
    )


def _columns(found: "NextEvents") -> dict[str, Any]:
    return {
        "events": found.events,
        "users": found.users,
        "ndcg_10": found.ndcg,
        "popularity_ndcg_10": found.popularity_ndcg,
        "hit_rate_10": found.hit_rate,
        "popularity_hit_rate_10": found.popularity_hit_rate,
        "difference": found.difference.mean,
        "ci_low": found.difference.low,
        "ci_high": found.difference.high,
    }

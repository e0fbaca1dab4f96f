"""Features of what was reported since the online store was filled, before a run has taken it in."""

import sqlite3
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
from filelock import FileLock

from crossmodal.event_log import acts_after, position_in, undone_after
from crossmodal.lake import Lake
from crossmodal.log_position import START, LogPosition
from crossmodal.modalities import MODALITIES
from crossmodal.paths import StatePaths
from crossmodal.published_events import published
from crossmodal.reported import counted
from crossmodal.value_scale import ValueScale
from feature_repo.event_statistics import build_item_statistics, build_user_statistics
from feature_repo.events import COLUMNS, positive_events
from feature_repo.online_file import OnlineStoreError
from feature_repo.store import close_store, open_store
from feature_repo.taste import build_user_taste

if TYPE_CHECKING:
    from feast import FeatureStore

_EVENT = pl.Schema(
    {
        "user_id": pl.String(),
        "item_id": pl.String(),
        "event_type": pl.String(),
        "value": pl.Float32(),
        "event_timestamp": pl.Datetime("us", "UTC"),
    }
)
_OF_AN_EVENT = ("user_id", "item_id", "event_type", "event_timestamp")
_FILLED = "online_features"


def reported_since(paths: StatePaths) -> pl.DataFrame:
    """The events that an app has reported since a run filled the online store, if they count there.

    Returns:
        user_id, item_id, event_type, value, event_timestamp; a run may have brought some of them
        into the lake meanwhile.
    """
    lake = Lake(paths.lake)
    acts = acts_after(paths.event_log, _filled_at(paths))
    if not acts or not lake.partitions("interactions"):
        return pl.DataFrame(schema=_EVENT)
    types = {**_EVENT, "value": pl.Float64(), "event_timestamp": pl.Int64()}
    reports = pl.DataFrame(acts, schema=types, orient="row")
    catalogue = lake.scan("items").select("item_id").collect()["item_id"]
    return (
        counted(reports, _scale(lake))
        .filter((pl.col("value") > 0) & pl.col("item_id").is_in(catalogue.implode()))
        .cast(_EVENT)
        .unique(maintain_order=True)
    )


def undone_since(paths: StatePaths) -> pl.DataFrame:
    """Whose events, and about what, were undone since a run filled the online store.

    Returns:
        user_id, item_id; the online rows may count such an event where the tables do not.
    """
    undone = undone_after(paths.event_log, _filled_at(paths))
    return pl.DataFrame(undone, schema=_EVENT.names()[:2], schema_overrides=_EVENT, orient="row")


def _filled_at(paths: StatePaths) -> int:
    """Up to which position of the log in force the online store was filled by a run."""
    recorded = LogPosition.of(Lake(paths.lake), _FILLED) or START
    return position_in(paths.event_log, recorded)


def _scale(lake: Lake) -> ValueScale:
    """By which the next run gives a value to what has none."""
    known = published(lake).scale
    if known is not None:
        return known
    # The home of an older version: nearly the same.
    return ValueScale.of(positive_events(lake).select("value").collect()["value"].to_numpy())


def bring_up_to_date(
    paths: StatePaths,
    users: Collection[str] | None = None,
    items: Collection[str] | None = None,
) -> None:
    """Writes to the online store what `reported_since` changes about some users and items.

    The features are built from all events of a user or an item, by the functions that the runs
    build them by, so that the next run finds the same. Nothing but online rows is written.

    Args:
        paths: the home, with definitions applied.
        users: pseudonyms; everybody's by default.
        items: all by default.

    Raises:
        OnlineStoreError: the online store is missing, damaged, or lacks a table.
    """
    # Of two that count at once, the one that counted less would write last.
    with FileLock(paths.feast / "live.lock"):
        reported = reported_since(paths)
        of_users = _with_history(paths, reported, "user_id", users)
        of_items = _with_history(paths, reported, "item_id", items)
        if of_users.is_empty() and of_items.is_empty():
            return
        if not paths.online_store.is_file():
            raise OnlineStoreError(paths, "there is no such file")
        store = open_store(paths)
        try:
            for view, rows in _newest_rows(Lake(paths.lake), of_users, of_items):
                _write(store, view, rows)
        except sqlite3.DatabaseError as error:
            raise OnlineStoreError(paths, error) from error
        finally:
            close_store(store)


def _with_history(
    paths: StatePaths, reported: pl.DataFrame, key: str, keys: Collection[str] | None
) -> pl.DataFrame:
    """All events of the users, or of the items, of which something was reported."""
    changed = set(reported[key])
    changed = changed if keys is None else changed.intersection(keys)
    if not changed:
        return reported.select(COLUMNS).clear()
    of_them = pl.col(key).is_in(list(changed))
    known = positive_events(Lake(paths.lake)).filter(of_them).select(_EVENT.names()).collect()
    new = reported.filter(of_them).join(known, on=_OF_AN_EVENT, how="anti")
    return pl.concat([known, new]).select(COLUMNS)


def _newest_rows(
    lake: Lake, of_users: pl.DataFrame, of_items: pl.DataFrame
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each view that is made of events, with one row of each of its keys."""
    build: Callable[[pl.DataFrame], pa.RecordBatchReader]
    for view, key, events, build in (
        ("item_statistics", "item_id", of_items, build_item_statistics),
        ("user_statistics", "user_id", of_users, build_user_statistics),
    ):
        yield view, _newest(build(events), key)
    liked = pl.col("item_id").is_in(of_users["item_id"].unique().implode())
    for modality in MODALITIES:
        if lake.exists(f"{modality}_embeddings"):
            vectors = lake.scan(f"{modality}_embeddings").filter(liked)
            taste = _newest(build_user_taste(of_users, vectors), "user_id")
            yield f"user_taste_{modality}", taste.rename({"embedding": f"{modality}_taste"})


def _newest(rows: pa.RecordBatchReader, key: str) -> pl.DataFrame:
    frame = pl.DataFrame(rows.read_all())
    return frame.unique(key, keep="last", maintain_order=True)


def _write(store: "FeatureStore", view: str, rows: pl.DataFrame) -> None:
    if not rows.is_empty():
        store.write_to_online_store(view, rows.to_pandas())

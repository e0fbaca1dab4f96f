"""Behavioural features, and everything in Feast: registry and online store."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg
import polars as pl

from assets.stage import Stamp, input_version
from assets.table_asset import Choices, Making, table_asset
from crossmodal.lake import Lake
from crossmodal.log_position import START, LogPosition
from crossmodal.modalities import MODALITIES
from crossmodal.published_events import TABLES as PUBLISHED
from crossmodal.published_events import published
from crossmodal.workspace import Workspace
from feature_repo.events import positive_events

RECOMMENDATIONS_VIEW = "user_recommendations"
_JUST_AFTER = timedelta(seconds=1)


def recorded_keys(lake: Lake, table: str) -> dict[str, int]:
    """Keys of each online view as `table` recorded them when it was made; none where it was not."""
    if not lake.exists(table):
        return {}
    return dict(lake.read(table).select("view", "keys").iter_rows())


def in_online_store(workspace: Workspace, table: str) -> bool:
    """Whether the online store itself has what `table` recorded of it."""
    from feature_repo.online_file import departures

    recorded = recorded_keys(workspace.lake, table)
    return bool(recorded) and not departures(workspace.paths, recorded)


def newest_event(lake: Lake) -> datetime:
    """The instant of the newest event: what the platform calls now, so that runs repeat."""
    newest: datetime = (
        lake.scan_partitions("interactions")
        .select(pl.col("event_timestamp").max())
        .collect()
        .item()
    )
    return newest


@table_asset(
    inputs=["interactions"], group="features", kinds={"duckdb", "parquet"}, code_version="2"
)
def item_statistics(making: Making) -> None:
    """How each item was received, as it was known strictly before every instant."""
    from feature_repo.event_statistics import build_item_statistics

    rows = build_item_statistics(positive_events(making.lake))
    making.lake.write_batches("item_statistics", rows, making.stamp)


@table_asset(
    inputs=["interactions"], group="features", kinds={"duckdb", "parquet"}, code_version="2"
)
def user_statistics(making: Making) -> None:
    """How active each user is, as it was known strictly before every instant."""
    from feature_repo.event_statistics import build_user_statistics

    rows = build_user_statistics(positive_events(making.lake))
    making.lake.write_batches("user_statistics", rows, making.stamp)


def _taste_asset(modality: str) -> dg.AssetsDefinition:
    table = f"user_taste_{modality}"
    embeddings = f"{modality}_embeddings"

    @table_asset(
        name=table,
        inputs=["interactions", embeddings],
        description=f"What each user likes, seen through the {modality} of the items, over time.",
        group="features",
        kinds={"polars", "parquet"},
        code_version="1",
    )
    def user_taste(making: Making) -> None:
        from feature_repo.taste import build_user_taste

        lake = making.lake
        vectors = lake.scan(embeddings).select("item_id", "event_timestamp", "embedding")
        lake.write_batches(table, build_user_taste(positive_events(lake), vectors), making.stamp)

    return user_taste


user_tastes = [_taste_asset(modality) for modality in MODALITIES]


_OF_EVENTS = (
    "item_statistics",
    "user_statistics",
    *(f"user_taste_{modality}" for modality in MODALITIES),
)
_ONLINE_TABLES = (*_OF_EVENTS, *(f"{modality}_embeddings" for modality in MODALITIES))
ONLINE_MARKS = ("interactions", *PUBLISHED, *_OF_EVENTS)
"""Tables by which `write_online` knows up to where the store is filled."""


def _definitions(workspace: Workspace) -> Choices:
    from feature_repo.home_repo import definitions_version

    return {"definitions": definitions_version()}


def _applied(workspace: Workspace) -> bool:
    from feature_repo.store import is_applied

    return is_applied(workspace.paths)


@table_asset(
    after=_ONLINE_TABLES,
    choices=_definitions,
    intact=_applied,
    group="features",
    kinds={"feast"},
    code_version="1",
)
def feature_registry(making: Making) -> None:
    """Feast's registry: entities, views and services, applied from `feature_repo/`."""
    from feature_repo.catalogue import SERVICES, VIEWS
    from feature_repo.store import apply_definitions

    apply_definitions(making.workspace.paths)
    views = pl.DataFrame(
        [
            {
                "view": view.name,
                "entity": view.entities[0],
                "fields": ", ".join(field.name for field in view.features),
                "online": view.online,
                "description": view.description,
            }
            for view in VIEWS
        ]
    )
    making.lake.write("feature_registry", views, making.stamp, services=len(SERVICES))


def _online_as_it_was(workspace: Workspace) -> bool:
    from feature_repo.live_features import undone_since

    # A push that was undone is in the online rows, and never was in a table.
    undone = undone_since(workspace.paths)
    return undone.is_empty() and in_online_store(workspace, "online_features")


@table_asset(
    inputs=["feature_registry", *_ONLINE_TABLES],
    also_reads=["online_recommendations", *ONLINE_MARKS],
    intact=_online_as_it_was,
    group="features",
    kinds={"feast", "sqlite"},
    code_version="1",
)
def online_features(making: Making) -> None:
    """The newest features of every user and item, in Feast's online store."""
    from feature_repo.catalogue import ONLINE_VIEWS

    workspace = making.workspace
    views = [name for name in ONLINE_VIEWS if name != RECOMMENDATIONS_VIEW]
    lists_made = workspace.lake.exists("online_recommendations")
    lists_lost = lists_made and not in_online_store(workspace, "online_recommendations")
    lost_views = [RECOMMENDATIONS_VIEW] if lists_lost else []
    write_online(workspace, "online_features", views, making.stamp, lost_views)


def write_online(
    workspace: Workspace,
    table: str,
    views: Sequence[str],
    stamp: Stamp,
    lost_views: Sequence[str] = (),
) -> None:
    """Materializes views into the online store and records the number of keys of each.

    Everything known just after the newest event counts as known now. `lost_views` are written
    too, because the store has lost them, but another table records them. What apps reported while
    the run went on is brought into the new file, where a push may have put it into the old one.
    """
    from feature_repo.live_features import bring_up_to_date
    from feature_repo.materialize import materialize_fresh

    end = newest_event(workspace.lake) + _JUST_AFTER
    keys = materialize_fresh(workspace.paths, [*views, *lost_views], end, keep_existing=True)
    rows = pl.DataFrame(
        {"view": list(views), "keys": [keys[view] for view in views]},
        schema={"view": pl.String, "keys": pl.Int64},
    ).with_columns(made_from=pl.lit(_digest(stamp)))
    workspace.lake.write(
        table,
        rows,
        stamp,
        total_keys=int(rows["keys"].sum()),
        **_log_position_of_online_rows(workspace.lake).summary(),
    )
    bring_up_to_date(workspace.paths)


def _log_position_of_online_rows(lake: Lake) -> LogPosition:
    """Up to where in the log the online rows have everything.

    If every table of events was made from the `interactions` in force: their position. Otherwise,
    as where a run stopped in between: the position recorded with `online_features` last time.
    """
    stamps = [lake.version(name).stamp for name in _OF_EVENTS if lake.exists(name)]
    made = {stamp["input:interactions"] for stamp in stamps if "input:interactions" in stamp}
    if made <= {input_version(lake, "interactions")}:
        return published(lake).position
    return LogPosition.of(lake, "online_features") or START


def _digest(stamp: Stamp) -> str:
    """Makes the table's version follow the values behind the keys, not their number alone."""
    return hashlib.sha256(json.dumps(stamp, sort_keys=True).encode()).hexdigest()[:16]

"""Behavioural features, and everything in Feast: registry and online store."""

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import dagster as dg
import polars as pl
import pyarrow as pa

from assets.stage import OWNERS, Context, Stamp, input_version, made_from, materialize_table
from crossmodal.lake import Lake
from crossmodal.log_position import START, LogPosition
from crossmodal.published_events import published
from crossmodal.workspace import Workspace
from feature_repo.events import positive_events
from models.data import MODALITIES

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


@dg.asset(
    deps=["interactions"],
    group_name="features",
    owners=OWNERS,
    kinds={"duckdb", "parquet"},
    code_version="2",
)
def item_statistics(
    context: Context, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult:
    """How each item was received, as it was known strictly before every instant."""
    from feature_repo.event_statistics import build_item_statistics

    return _statistics(context, workspace, "item_statistics", build_item_statistics)


@dg.asset(
    deps=["interactions"],
    group_name="features",
    owners=OWNERS,
    kinds={"duckdb", "parquet"},
    code_version="2",
)
def user_statistics(
    context: Context, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult:
    """How active each user is, as it was known strictly before every instant."""
    from feature_repo.event_statistics import build_user_statistics

    return _statistics(context, workspace, "user_statistics", build_user_statistics)


def _statistics(
    context: Context,
    workspace: Workspace,
    table: str,
    build: Callable[[pl.LazyFrame], pa.RecordBatchReader],
) -> dg.MaterializeResult:
    stamp = made_from(context, workspace, "interactions")

    def make() -> None:
        workspace.lake.write_batches(table, build(positive_events(workspace.lake)), stamp)

    return materialize_table(context, workspace, table, stamp, make)


def _taste_asset(modality: str) -> dg.AssetsDefinition:
    table = f"user_taste_{modality}"
    embeddings = f"{modality}_embeddings"

    @dg.asset(
        name=table,
        deps=["interactions", embeddings],
        description=f"What each user likes, seen through the {modality} of the items, over time.",
        group_name="features",
        owners=OWNERS,
        kinds={"polars", "parquet"},
        code_version="1",
    )
    def user_taste(
        context: Context, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult:
        from feature_repo.taste import build_user_taste

        lake = workspace.lake
        stamp = made_from(context, workspace, "interactions", embeddings)

        def make() -> None:
            vectors = lake.scan(embeddings).select("item_id", "event_timestamp", "embedding")
            lake.write_batches(table, build_user_taste(positive_events(lake), vectors), stamp)

        return materialize_table(context, workspace, table, stamp, make)

    return user_taste


user_tastes = [_taste_asset(modality) for modality in MODALITIES]


@dg.asset(
    group_name="features",
    owners=OWNERS,
    kinds={"feast"},
    code_version="1",
    deps=[
        "item_statistics",
        "user_statistics",
        *(f"user_taste_{modality}" for modality in MODALITIES),
        *(f"{modality}_embeddings" for modality in MODALITIES),
    ],
)
def feature_registry(
    context: Context, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult:
    """Feast's registry: entities, views and services, applied from `feature_repo/`."""
    from feature_repo.home_repo import definitions_version

    stamp = made_from(
        context,
        workspace,
        definitions=definitions_version(),
        lake=str(workspace.paths.lake.resolve()),
    )

    def make() -> None:
        from feature_repo.catalogue import SERVICES, VIEWS
        from feature_repo.store import apply_definitions

        apply_definitions(workspace.paths)
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
        workspace.lake.write("feature_registry", views, stamp, services=len(SERVICES))

    intact = workspace.paths.registry.is_file()
    return materialize_table(context, workspace, "feature_registry", stamp, make, intact=intact)


_OF_EVENTS = (
    "item_statistics",
    "user_statistics",
    *(f"user_taste_{modality}" for modality in MODALITIES),
)
_ONLINE_TABLES = (*_OF_EVENTS, *(f"{modality}_embeddings" for modality in MODALITIES))


@dg.asset(
    deps=["feature_registry", *_ONLINE_TABLES],
    group_name="features",
    owners=OWNERS,
    kinds={"feast", "sqlite"},
    code_version="1",
)
def online_features(
    context: Context, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult:
    """The newest features of every user and item, in Feast's online store."""
    from feature_repo.live_features import undone_since

    stamp = made_from(context, workspace, "feature_registry", *_ONLINE_TABLES)

    def make() -> None:
        from feature_repo.catalogue import ONLINE_VIEWS

        views = [name for name in ONLINE_VIEWS if name != RECOMMENDATIONS_VIEW]
        lists_made = workspace.lake.exists("online_recommendations")
        lists_lost = lists_made and not in_online_store(workspace, "online_recommendations")
        further = [RECOMMENDATIONS_VIEW] if lists_lost else []
        write_online(workspace, "online_features", views, stamp, further)

    # A push that was undone is in the online rows, and never was in a table.
    undone = undone_since(workspace.paths)
    intact = undone.is_empty() and in_online_store(workspace, "online_features")
    return materialize_table(context, workspace, "online_features", stamp, make, intact=intact)


def write_online(
    workspace: Workspace,
    table: str,
    views: Sequence[str],
    stamp: Stamp,
    further: Sequence[str] = (),
) -> None:
    """Materializes views into the online store and records the number of keys of each.

    Everything known just after the newest event counts as known now. Views named `further` are
    written too, because the store has lost them, but another table records them. What apps
    reported while the run went on is brought into the new file, where a push may have put it into
    the old one.
    """
    from feature_repo.live_features import bring_up_to_date
    from feature_repo.materialize import materialize_fresh

    end = newest_event(workspace.lake) + _JUST_AFTER
    keys = materialize_fresh(workspace.paths, [*views, *further], end, keep_existing=True)
    rows = pl.DataFrame(
        {"view": list(views), "keys": [keys[view] for view in views]},
        schema={"view": pl.String, "keys": pl.Int64},
    ).with_columns(made_from=pl.lit(_digest(stamp)))
    workspace.lake.write(
        table,
        rows,
        stamp,
        total_keys=int(rows["keys"].sum()),
        **_filled_to(workspace.lake).summary(),
    )
    bring_up_to_date(workspace.paths)


def _filled_to(lake: Lake) -> LogPosition:
    """Up to where in the log the tables of events that are filled in have everything.

    Where a run stopped before it made all of them of the newest events, that is as it was before.
    """
    stamps = [lake.version(name).stamp for name in _OF_EVENTS if lake.exists(name)]
    made = {stamp["input:interactions"] for stamp in stamps if "input:interactions" in stamp}
    if made <= {input_version(lake, "interactions")}:
        return published(lake).position
    return LogPosition.of(lake, "online_features") or START


def _digest(stamp: Stamp) -> str:
    """Makes the table's version follow the values behind the keys, not their number alone."""
    return hashlib.sha256(json.dumps(stamp, sort_keys=True).encode()).hexdigest()[:16]

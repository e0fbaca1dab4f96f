"""What the web UI says of the columns of every table."""

from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets.columns import lineage_of
from assets.observed import SOURCE_MEDIA, SOURCE_TABLES
from crossmodal.lake import Lake
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from orchestration.definitions import build_definitions
from orchestration.instance import open_instance
from orchestration.stages import pipeline_assets

READ_WITH_REJECTS = ("staged_interactions", "staged_items", "repairs")


def schema(lake: Lake, table: str) -> pl.Schema:
    parts = lake.partitions(table)
    return (lake.scan_partitions(table) if parts else lake.scan(table)).collect_schema()


@pytest.mark.slow
def test_a_run_that_keeps_everything_is_a_point_of_each_plot_of_quality(copied: Settings) -> None:
    plotted = {
        "champion": {"ndcg_at_10", "coverage_at_10"},
        "drift": {"drifted", "judged"},
        "recommendations": {"share_of_items_shown"},
        "rejects": {"share"},
    }
    workspace = Workspace(copied)
    keys = [dg.AssetKey(name) for name in (*plotted, *READ_WITH_REJECTS)]
    with open_instance(workspace.paths) as instance:
        done = (
            build_definitions(workspace)
            .resolve_job_def("everything")
            .execute_in_process(instance=instance, asset_selection=keys)
        )
    for event in done.get_asset_materialization_events():
        figures, name = event.materialization.metadata, event.asset_key.to_user_string()
        assert figures["kept"].value, name
        numbers = {one for one, figure in figures.items() if isinstance(figure.value, int | float)}
        assert plotted.get(name, set()) <= numbers


@pytest.mark.slow
def test_every_column_is_described_and_comes_from_columns_that_there_are(
    finished: tuple[Settings, Any],
) -> None:
    workspace = Workspace(finished[0])
    keys = [key for asset in pipeline_assets() if asset.is_materializable for key in asset.keys]
    with open_instance(workspace.paths) as instance:
        events = {
            key.to_user_string(): instance.get_latest_materialization_event(key) for key in keys
        }
    tables = {path.stem for path in workspace.lake.root.glob("*.parquet")}
    tables |= {path.name for path in workspace.lake.root.iterdir() if path.is_dir()}
    for table in sorted(tables):
        # Of an input that this home leaves empty too, such as the items that apps put.
        possible = lineage_of(table, schema(workspace.lake, table).names(), tables)
        for sources in possible.deps_by_column.values() if possible else ():
            for source in sources:
                of = schema(workspace.lake, source.asset_key.to_user_string())
                assert source.column_name in of, (table, source)
    traced = set()
    for name, event in events.items():
        assert event is not None and event.asset_materialization is not None
        metadata = event.asset_materialization.metadata
        shown = metadata["dagster/column_schema"].value
        assert shown.columns, name
        unknown = [column.name for column in shown.columns if not column.description]
        assert not unknown, (name, unknown)
        preview = metadata.get("preview")
        assert preview is None or isinstance(preview, dg.TableMetadataValue), "needs a click"
        lineage = metadata.get("dagster/column_lineage")
        for column, sources in lineage.value.deps_by_column.items() if lineage else ():
            assert column in {one.name for one in shown.columns} and sources
        if lineage:
            traced.add(name)
    graph = build_definitions(workspace).resolve_asset_graph()
    files = {dg.AssetKey(SOURCE_TABLES), dg.AssetKey(SOURCE_MEDIA)}
    made_from_tables = {key.to_user_string() for key in keys if graph.get(key).parent_keys - files}
    # These are made from the definitions of the features and from searches, not from columns.
    assert made_from_tables - traced <= {"feature_registry", "hyperparameter_search"}


@pytest.mark.parametrize(
    ("table", "column", "sources"),
    [
        ("leaderboard", "ndcg_10_low", {"metrics.ci_low"}),
        ("leaderboard", "difference_high", {"comparisons.ci_high"}),
        ("leaderboard", "fit_s", set()),
        ("reviews_embeddings", "content_sha256", set()),
        ("kept_versions", "version", {"model_ease.version", "serving_model.version"}),
    ],
)
def test_a_column_comes_from_those_that_it_is_computed_from(
    table: str, column: str, sources: set[str]
) -> None:
    inputs = ["metrics", "comparisons", "review_texts", "model_ease", "serving_model"]
    found = lineage_of(table, [column], inputs)
    deps = found.deps_by_column[column] if found else ()
    assert {f"{one.asset_key.to_user_string()}.{one.column_name}" for one in deps} == sources

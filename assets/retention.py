"""Which versions of models a home keeps; the last thing that a run does."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.registry import open_promotions, open_registry
from assets.table_asset import Making, table_asset
from assets.training import MODEL_TABLES
from crossmodal.lake import Lake

if TYPE_CHECKING:
    from models.registry import ModelRegistry

_NAMING = (
    "before",
    "candidate",
    "champion",
    "judged_by",
    "model_version",
    "refit",
    "run_id",
    "version",
    "warm_started_from",
)
"""Columns by which a table of the lake names a version of a model."""

_SCHEMA = {"version": pl.String, "bytes": pl.Int64, "why": pl.String}
_MEGABYTE = 1_000_000


@table_asset(
    inputs=["champion", "serving_model", *MODEL_TABLES],
    # Last: until then, tables name versions that no newer one has replaced.
    after=["online_recommendations"],
    choices=lambda workspace: {
        "newest": workspace.settings.kept_versions,
        "champion_days": workspace.settings.kept_champion_days,
    },
    group="recommendations",
    kinds={"safetensors"},
    code_version="1",
)
def kept_versions(making: Making) -> dict[str, Any]:
    """The versions of models that are kept and why; all others are deleted."""
    from models.retention import Policy, kept

    workspace, settings = making.workspace, making.settings
    registry, promotions = open_registry(workspace), open_promotions(workspace)
    policy = Policy(settings.kept_versions, settings.kept_champion_days)
    # Nobody can return to a version between the look at what is needed and the deletion.
    with promotions.deciding():
        named = named_versions(
            Lake(workspace.paths.lake), without=making.context.asset_key.path[-1]
        )
        stays = kept(registry, promotions.history(), named, policy, datetime.now(UTC))
        freed = _delete_others(making, registry, {one.version for one in stays})
    rows = [(one.version, registry.size(one.version), one.why) for one in stays]
    frame = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
    making.lake.write("kept_versions", frame, making.stamp, total_bytes=int(frame["bytes"].sum()))
    making.context.log.info(
        f"Versions of models: {len(rows)} kept, {len(freed)} deleted, "
        f"{sum(freed) / _MEGABYTE:,.1f} MB freed."
    )
    return {"deleted": len(freed), "freed_bytes": sum(freed)}


def named_versions(lake: Lake, without: str) -> frozenset[str]:
    """What the tables of a lake name as a version of a model.

    Args:
        lake: all of its tables.
        without: a table that only lists versions.
    """
    found: set[str] = set()
    for path in sorted(lake.root.glob("*.parquet")):
        schema = pl.read_parquet_schema(path)
        for column in (name for name in _NAMING if schema.get(name) == pl.String):
            if path.stem != without:
                values = pl.scan_parquet(path).select(pl.col(column).unique()).collect()
                found.update(values[column].drop_nulls())
    return frozenset(found)


def _delete_others(making: Making, registry: "ModelRegistry", stays: set[str]) -> list[int]:
    """Deletes all versions but some; returns the bytes of each that is gone."""
    freed = []
    for version in sorted(set(registry.names()) - stays):
        try:
            freed.append(registry.remove(version))
        except OSError as error:
            making.context.log.warning(f"{version} could not be deleted: {error}.")
    return freed

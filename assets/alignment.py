"""From tower features to the text space: one head a tower, fitted on items that have both."""

import hashlib
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from assets.encoding import item_attributes, usable_files
from assets.stage import OWNERS, Context, Stamp, made_from, materialize_table
from crossmodal.lake import Lake
from crossmodal.workspace import Workspace
from models.assembly import matrix

TOWERS = ("image", "audio", "attributes")
_FORMAT = ("width", "height", "seconds", "bytes")


def tower_contents(lake: Lake, tower: str) -> pl.DataFrame:
    """Which content each item has in a tower: item_id, created_at, content_sha256."""
    items = lake.scan("items")
    if tower == "attributes":
        return item_attributes(items).select("item_id", "created_at", "content_sha256")
    known = items.select("item_id", "created_at").collect()
    files = usable_files(lake, tower).join(known, on="item_id")
    return files.select("item_id", "created_at", "content_sha256")


def head_file(workspace: Workspace, tower: str) -> Any:
    """Where a tower's head is kept."""
    return workspace.paths.alignment / f"{tower}.safetensors"


def _alignment_asset(tower: str) -> dg.AssetsDefinition:
    table = f"{tower}_alignment"
    inputs = (f"{tower}_features", "text_embeddings", "media", "items")

    @dg.asset(
        name=table,
        deps=list(inputs),
        description=f"How {tower} features become vectors of the text space, and how well.",
        group_name="embeddings",
        owners=OWNERS,
        kinds={"numpy", "safetensors"},
        code_version="1",
    )
    def alignment(context: Context, workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
        settings = workspace.settings
        stamp = made_from(
            context, workspace, *inputs, method=settings.alignment, seed=settings.seed
        )
        intact = head_file(workspace, tower).is_file()
        return materialize_table(
            context,
            workspace,
            table,
            stamp,
            lambda: _fit_head(workspace, tower, stamp),
            intact=intact,
        )

    return alignment


def _fit_head(workspace: Workspace, tower: str, stamp: Stamp) -> dict[str, Any]:
    from models.alignment import fit_alignment, unaligned_head

    lake, settings = workspace.lake, workspace.settings
    pairs = _pairs(lake, tower)
    features, anchors = matrix(pairs["features"]), matrix(pairs["embedding"])
    head, report = fit_alignment(
        features,
        anchors,
        _format_control(lake, tower, pairs["item_id"]),
        method=settings.alignment,
        seed=settings.seed,
    )
    target = head_file(workspace, tower)
    target.parent.mkdir(parents=True, exist_ok=True)
    head.save(target)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    rows = pl.DataFrame([{"head_sha256": digest, **report.as_dict()}])
    lake.write(f"{tower}_alignment", rows, stamp, **report.as_dict())
    return {"fitted": int(report.method != "none")}


alignments = [_alignment_asset(tower) for tower in TOWERS]

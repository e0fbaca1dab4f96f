"""From tower features to the text space: one head a tower, fitted on items that have both."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import polars as pl

from assets.automation import after_change_of
from assets.encoding import item_attributes, usable_files
from assets.stage import Stamp
from assets.table_asset import Making, table_asset
from crossmodal.lake import Lake
from crossmodal.modalities import TOWERS, modality_of
from crossmodal.workspace import Workspace
from models.assembly import matrix

if TYPE_CHECKING:
    from models.alignment import AlignmentHead, AlignmentReport

_FORMAT = ("width", "height", "seconds", "bytes")
_JUDGED = ("aligned", "control", "untuned", "chance")


def tower_contents(lake: Lake, tower: str) -> pl.DataFrame:
    """Which content each item has in a tower: item_id, created_at, content_sha256."""
    items = lake.scan("items")
    media = modality_of(tower).media
    if media is None:
        return item_attributes(items).select("item_id", "created_at", "content_sha256")
    known = items.select("item_id", "created_at").collect()
    files = usable_files(lake, media).join(known, on="item_id")
    return files.select("item_id", "created_at", "content_sha256")


def varying_contents(lake: Lake, tower: str) -> pl.DataFrame:
    """Like `tower_contents`; without rows where the tower gives every item the same vector.

    Such a tower tells no item from another: it is left out like one that no item has.
    """
    contents = tower_contents(lake, tower)
    same = lake.version(f"{tower}_alignment").summary["items_all_the_same"]
    return contents.clear() if same else contents


def load_head(workspace: Workspace, tower: str) -> "AlignmentHead":
    """The head that the last `<tower>_alignment` fitted."""
    from models.alignment import AlignmentHead

    return AlignmentHead.load(_head_folder(workspace, tower))


def _head_folder(workspace: Workspace, tower: str) -> Path:
    summary = workspace.lake.version(f"{tower}_alignment").summary
    return workspace.paths.alignment / str(summary["head"])


def _alignment_asset(tower: str) -> dg.AssetsDefinition:
    table = f"{tower}_alignment"
    inputs = (f"{tower}_features", "text_embeddings", "media", "items")

    def has_head(workspace: Workspace) -> bool:
        """Whether the head is there as it was fitted."""
        if not workspace.lake.exists(table):
            return False
        weights = _weights(_head_folder(workspace, tower))
        written = workspace.lake.read(table)["head_sha256"].first()
        return weights.is_file() and _digest(weights.parent) == written

    @table_asset(
        name=table,
        inputs=inputs,
        choices=lambda workspace: {
            "method": workspace.settings.alignment,
            "seed": workspace.settings.seed,
        },
        intact=has_head,
        description=f"How {tower} features become vectors of the text space, and how well.",
        automation=after_change_of(),
        group="embeddings",
        kinds={"numpy", "safetensors"},
        code_version="2",
    )
    def alignment(making: Making) -> dict[str, Any]:
        report = _fit_head(making.workspace, tower, making.stamp)
        if report.note and making.lake.read(f"{tower}_features").height:
            making.context.log.info(f"{tower}: {report.note}")
        return {"fitted": int(report.method != "none")}

    return alignment


def _fit_head(workspace: Workspace, tower: str, stamp: Stamp) -> "AlignmentReport":
    """Fits and keeps the head, and writes how well it finds held-out items' texts."""
    from models.alignment import MIN_PAIRS, fit_alignment, says_nothing, unaligned_head

    lake, settings = workspace.lake, workspace.settings
    rows = tower_contents(lake, tower).join(lake.read(f"{tower}_features"), on="content_sha256")
    items_all_the_same = 0
    if says_nothing(matrix(rows["features"])):
        rows, items_all_the_same = rows.clear(), rows.height
    texts = lake.scan("text_embeddings").select("item_id", "embedding").collect()
    pairs = rows.join(texts, on="item_id").sort("item_id")
    head, report = fit_alignment(
        matrix(pairs["features"]),
        matrix(pairs["embedding"]),
        _format_control(lake, tower, pairs["item_id"]),
        method=settings.alignment,
        seed=settings.seed,
    )
    if pairs.height < MIN_PAIRS:
        head = unaligned_head(matrix(rows.sort("item_id")["features"]))
    name = f"{tower}-{hashlib.sha256(json.dumps(stamp).encode()).hexdigest()[:12]}"
    folder = workspace.paths.alignment / name
    folder.mkdir(parents=True, exist_ok=True)
    head.save(folder)
    figures = report.as_dict()
    lake.write(
        f"{tower}_alignment",
        _judgements(figures).with_columns(head_sha256=pl.lit(_digest(folder))),
        stamp,
        head=name,
        items_all_the_same=items_all_the_same,
        **{key: value for key, value in figures.items() if key not in _JUDGED},
        **{f"recall_at_10_{key}": figures[key]["recall_at_10"] for key in _JUDGED if figures[key]},
        **{f"recall_at_1_{key}": figures[key]["recall_at_1"] for key in _JUDGED if figures[key]},
    )
    return report


def _judgements(figures: dict[str, Any]) -> pl.DataFrame:
    """One row for the head and for each of what it must beat."""
    rows = [{"judged": name, **(figures[name] or {})} for name in _JUDGED]
    schema = {"judged": pl.String, "recall_at_1": pl.Float64, "recall_at_10": pl.Float64}
    return pl.DataFrame(rows, schema=schema)


def _format_control(lake: Lake, tower: str, item_ids: pl.Series) -> np.ndarray:
    """What is known of each item's file without decoding it: sizes, length and type (n, c)."""
    media = modality_of(tower).media
    if media is None:
        return np.zeros((len(item_ids), 0), dtype=np.float32)
    files = pl.DataFrame({"item_id": item_ids}).join(
        usable_files(lake, media), on="item_id", how="left", maintain_order="left"
    )
    numbers = files.select(pl.col(name).fill_null(0).cast(pl.Float32).log1p() for name in _FORMAT)
    kinds = files.select("mime").to_dummies().cast(pl.Float32)
    return pl.concat([numbers, kinds], how="horizontal").to_numpy().astype(np.float32)


def _digest(folder: Path) -> str:
    return hashlib.sha256(_weights(folder).read_bytes()).hexdigest()


def _weights(folder: Path) -> Path:
    return folder / "weights.safetensors"


alignments = [_alignment_asset(tower) for tower in TOWERS]

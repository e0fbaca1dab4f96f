"""What a run found, for people and for programs: JSON, text, and one self-contained page."""

import base64
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from assets.recommendations import NEW_USER
from assets.stage import input_version
from crossmodal.atomic import atomic_write_bytes
from crossmodal.lake import Lake, TableMissingError
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace

_MEDIA_STATES = ("ok", "missing", "broken")
_HEADLINE_METRICS = ("ndcg", "recall")
_PICTURES = {
    "posters": "Posters of the catalogue",
    "spectrograms": "Sounds of the catalogue, as spectrograms",
    "shared_space_image": "Texts and pictures in the shared space, by category",
    "shared_space_audio": "Texts and sounds in the shared space, by category",
    "curve_mmnn": "Training of mmnn",
    "curve_mmnn_gated_attention": "Training of mmnn_gated_attention",
    "metric_intervals": "NDCG@10 with 95 % intervals",
}
_THUMBNAIL = (96, 144)
_REPORT_USERS = 10
_REPORT_ITEMS = 8


class ReportNotReadyError(RuntimeError):
    """There is nothing to report yet; the message says what to run."""


def collect_report(settings: Settings) -> dict[str, Any]:
    """The figures of the last run, JSON-able.

    Keys: dataset, counts, media, alignment, metrics, comparisons, timings, model_version, rejects.

    Raises:
        ReportNotReadyError: the pipeline has not run to its end in this home yet.
    """
    workspace = Workspace(settings)
    lake = workspace.lake
    try:
        return {
            "dataset": _dataset(settings, lake),
            "counts": _counts(lake),
            "rejects": lake.version("rejects").summary["by_reason"],
            "media": _media(lake),
            "alignment": _alignment(lake),
            "metrics": lake.read("metrics").drop("run_id").to_dicts(),
            "comparisons": lake.read("comparisons").to_dicts(),
            "timings": _timings(workspace),
            "model_version": lake.read("user_recommendations")["model_version"][0],
        }
    except TableMissingError as error:
        raise ReportNotReadyError(f"Nothing to report yet. {error}") from error


def headline_metrics(metrics: list[dict[str, Any]]) -> pl.DataFrame:
    """The rows people look at first: whole population, cut-off 10, best model first."""
    order = pl.col("metric").replace_strict(_HEADLINE_METRICS, range(len(_HEADLINE_METRICS)))
    return (
        pl.DataFrame(metrics, infer_schema_length=None)
        .filter(
            (pl.col("segment") == "all")
            & (pl.col("k") == 10)
            & pl.col("metric").is_in(_HEADLINE_METRICS)
        )
        .sort(pl.col("split"), order, pl.col("value"), descending=[True, False, True])
        .select("split", "model", "metric", "value", "ci_low", "ci_high")
    )


def render_text(collected: dict[str, Any]) -> None:
    """Prints the report for a terminal."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    data, counts = collected["dataset"], collected["counts"]
    console.print(
        f"[bold]{data['source']}[/bold]: {counts['events']:,} events of {counts['users']:,} users "
        f"on {counts['items']:,} items, {counts['rejects']:,} rows rejected"
    )
    media = Table("modality", "ok", "missing", "broken", title="Media")
    for name, states in collected["media"].items():
        media.add_row(name, *(f"{states[state]:,}" for state in _MEDIA_STATES))
    console.print(media)
    figures = Table("split", "model", "metric@10", "value", "95 % interval", title="Evaluation")
    for row in headline_metrics(collected["metrics"]).iter_rows(named=True):
        interval = f"{row['ci_low']:.4f} to {row['ci_high']:.4f}"
        figures.add_row(row["split"], row["model"], row["metric"], f"{row['value']:.4f}", interval)
    console.print(figures)
    console.print(f"Champion: {collected['model_version']}")
    console.print(
        "Next: [bold]crossmodal recommend USER[/bold] · [bold]make ui[/bold] · "
        "[bold]crossmodal report --html report.html[/bold]"
    )


def write_html(settings: Settings, collected: dict[str, Any], target: Path) -> None:
    """Writes the report as one page that needs nothing beside itself."""
    from jinja2 import Environment, PackageLoader, select_autoescape

    workspace = Workspace(settings)
    environment = Environment(
        loader=PackageLoader("orchestration"), autoescape=select_autoescape(), trim_blocks=True
    )
    page = environment.get_template("report.html").render(
        report=collected,
        headline=headline_metrics(collected["metrics"]).to_dicts(),
        pictures=_embedded_pictures(workspace),
        lists=_example_lists(workspace),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    atomic_write_bytes(target.resolve(), page.encode())


def _dataset(settings: Settings, lake: Lake) -> dict[str, Any]:
    span = lake.scan_partitions("interactions").select(
        first=pl.col("event_timestamp").min(), last=pl.col("event_timestamp").max()
    )
    first, last = span.collect().row(0)
    return {
        "source": settings.source,
        "path": None if settings.source_path is None else str(settings.source_path),
        "first_event": first.isoformat(),
        "last_event": last.isoformat(),
        "version": input_version(lake, "interactions"),
    }


def _counts(lake: Lake) -> dict[str, int]:
    events = lake.scan_partitions("interactions")
    rows = events.select(events=pl.len(), users=pl.col("user_id").n_unique()).collect()
    return {
        **rows.row(0, named=True),
        "items": lake.version("items").rows,
        "rejects": lake.version("rejects").rows,
    }


def _media(lake: Lake) -> dict[str, dict[str, int]]:
    states = lake.scan("media").group_by("modality", "status").len().collect()
    found = {(modality, status): count for modality, status, count in states.iter_rows()}
    return {
        modality: {
            status: found.get((modality, status), 0) for status in ("ok", "missing", "broken")
        }
        for modality in ("image", "audio")
    }


def _alignment(lake: Lake) -> dict[str, Any]:
    return {tower: dict(lake.version(f"{tower}_alignment").summary) for tower in ("image", "audio")}


def _timings(workspace: Workspace) -> dict[str, float]:
    seconds: dict[str, float] = json.loads(workspace.paths.timings.read_bytes())
    return seconds


def _embedded_pictures(workspace: Workspace) -> dict[str, str]:
    found = {title: workspace.paths.pictures / f"{name}.png" for name, title in _PICTURES.items()}
    return {
        title: base64.b64encode(path.read_bytes()).decode()
        for title, path in found.items()
        if path.is_file()
    }


def _example_lists(workspace: Workspace) -> list[dict[str, Any]]:
    """Ten lists with posters: the newcomer's, then those of the longest histories."""
    lake = workspace.lake
    active = lake.scan_partitions("interactions").group_by("user_id").len()
    chosen = active.sort(["len", "user_id"], descending=[True, False]).head(_REPORT_USERS - 1)
    names = [NEW_USER, *chosen.collect()["user_id"]]
    rows = (
        lake.scan("recommendations")
        .filter(pl.col("user_id").is_in(names) & (pl.col("rank") <= _REPORT_ITEMS))
        .join(lake.scan("items").select("item_id", "title"), on="item_id")
        .sort("rank")
        .collect()
    )
    thumbnails = _thumbnails(workspace, rows["item_id"].unique().to_list())
    return [
        {
            "user": "a newcomer" if name == NEW_USER else name[:12],
            "items": [
                {**row, "reason": row["reasons"][0], "poster": thumbnails.get(row["item_id"])}
                for row in rows.filter(pl.col("user_id") == name).iter_rows(named=True)
            ],
        }
        for name in names
    ]


def _thumbnails(workspace: Workspace, items: list[str]) -> dict[str, str]:
    """Small posters as base64 JPEG, for the items that have one."""
    from assets.ingestion import source_root
    from assets.media import media_limits
    from models.media import MediaError, resolve_inside
    from models.media.images import decode_image

    root = source_root(workspace)
    limits = media_limits(workspace.settings)
    files = workspace.lake.scan("media").filter(
        (pl.col("modality") == "image")
        & (pl.col("status") == "ok")
        & pl.col("item_id").is_in(items)
        & pl.col("mime").str.starts_with("image/")
    )
    found: dict[str, str] = {}
    for item, uri in files.select("item_id", "uri").collect().iter_rows():
        try:
            picture = decode_image(resolve_inside(root, uri), limits)
        except MediaError:
            continue
        picture.thumbnail(_THUMBNAIL)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=80)
        found[item] = base64.b64encode(buffer.getvalue()).decode()
    return found

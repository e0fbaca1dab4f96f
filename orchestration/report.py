"""What a run found, for people and for programs: JSON, text, and one self-contained page."""

import base64
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.by_hand import reason_of_decision_by_hand
from assets.champion_rows import RIVALS
from assets.gate import GATE, readable_figure
from assets.leaderboard import readable
from assets.registry import open_promotions
from assets.stage import input_version
from crossmodal.atomic import atomic_write_bytes
from crossmodal.lake import Lake, TableDamagedError, TableMissingError
from crossmodal.modalities import MEDIA_KINDS, MODALITIES, TOWERS
from crossmodal.pseudonyms import NEW_USER
from crossmodal.settings import Settings
from crossmodal.timings import recorded_seconds
from crossmodal.workspace import Workspace
from models.champion_history import HistoryError

if TYPE_CHECKING:
    from rich.table import Table

_MEDIA_STATES = ("ok", "missing", "broken")
_PICTURES = {
    "posters": "Posters of the catalogue",
    "spectrograms": "Sounds of the catalogue, as spectrograms",
    "shared_space_image": "Texts and pictures in the shared space, by category",
    "shared_space_audio": "Texts and sounds in the shared space, by category",
    "curve_mmnn": "Training of mmnn",
    "curve_mmnn_gated_attention": "Training of mmnn_gated_attention",
    "metric_intervals": "NDCG@10 with 95 % intervals",
    "leaderboard": "NDCG@10 less that of the best baseline; full marks where p (Holm) < .05",
    "modality_worth": "What each modality is worth to each model: Shapley values of NDCG@10",
    "modality_robustness": "NDCG@10 as a growing share of the items loses a modality",
}
_EVALUATION_TABLES = (
    "comparisons",
    "leaderboard",
    "modality_worth",
    "modality_robustness",
    "tie_sensitivity",
)
_BOARD_COLUMNS = {
    "model": "model",
    "NDCG@10": "NDCG@10",
    "less the best baseline": "less the best",
    "p (Holm)": "p",
}
"""Columns of the leaderboard that a terminal of 80 columns has room for, and their heads there."""

_GATE_COLUMNS = ("users", "candidate", "difference", "verdict")
"""Columns of a readable row of the gate that a terminal has room for."""

_THUMBNAIL = (96, 144)
_REPORT_USERS = 10
_REPORT_ITEMS = 8


class ReportNotReadyError(RuntimeError):
    """There is nothing to report yet; the message says what to run."""


def collect_report(settings: Settings) -> dict[str, Any]:
    """The figures of the last run, JSON-able.

    Keys: dataset, counts, media, alignment, metrics, comparisons, leaderboard, modality_worth,
    modality_robustness, tie_sensitivity, timings, rejects, champion (why it is champion, the
    comparison with every other model, and what the gate compared), model_version (what answers),
    judged_version (whose figures speak for it).

    Raises:
        ReportNotReadyError: the pipeline has not run to its end in this home yet, or the history of
            its champions or a table is damaged.
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
            "metrics": _rows(lake.read("metrics").drop("run_id")),
            **{name: _rows(lake.read(name)) for name in _EVALUATION_TABLES},
            "timings": recorded_seconds(workspace.paths.timings),
            **_answering(workspace),
        }
    except TableMissingError as error:
        raise ReportNotReadyError(f"Nothing to report yet. {error}") from error
    except (HistoryError, TableDamagedError) as error:
        raise ReportNotReadyError(str(error)) from error
    except pl.exceptions.ComputeError as error:
        raise ReportNotReadyError(
            f"A table in {lake.root} cannot be read ({error}): `crossmodal doctor` names it."
        ) from error


def render_text(collected: dict[str, Any]) -> None:
    """Prints the report for a terminal."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    data, counts = collected["dataset"], collected["counts"]
    console.print(
        f"[bold]{data['source']}[/bold]: {counts['events']:,} events of {counts['users']:,} users "
        f"on {counts['items']:,} items, rejected rows: {counts['rejects']:,}"
    )
    media = Table("modality", "ok", "missing", "broken", title="Media")
    for name, states in collected["media"].items():
        media.add_row(name, *(f"{states[state]:,}" for state in _MEDIA_STATES))
    console.print(media)
    for table in (*_board_tables(collected["leaderboard"]), *_worth(collected["modality_worth"])):
        console.print(table)
    for table in _gate(collected["champion"]["gate"]):
        console.print(table)
    console.print(f"Champion: {collected['champion']['reason']}", highlight=False)
    console.print(f"{collected['champion']['answering']}", highlight=False)
    console.print(
        "Next: [bold]crossmodal recommend USER[/bold] · [bold]make ui[/bold] · "
        "[bold]crossmodal report --html report.html[/bold]"
    )


def _board_tables(rows: list[dict[str, Any]]) -> Iterator["Table"]:
    """The leaderboard, one table per split, narrow enough for a terminal."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    for split, split_rows in groupby(rows, key=lambda row: row["split"]):
        board = [readable(row, digits=3) for row in split_rows]
        title = f"Leaderboard, {split}; best baseline {board[0]['best baseline']}, p after Holm"
        heads = _BOARD_COLUMNS.values()
        table = Table(*heads, title=title, box=box.SIMPLE, pad_edge=False)
        for row in board:
            table.add_row(*(escape(row[column]) for column in _BOARD_COLUMNS))
        yield table


def _worth(rows: list[dict[str, Any]]) -> Iterator["Table"]:
    """Shapley values of the modalities, one table per split."""
    from rich import box
    from rich.table import Table

    shapley = [row for row in rows if row["measure"] == "shapley"]
    for split, split_rows in groupby(shapley, key=lambda row: row["split"]):
        title = f"What each modality is worth, {split} (Shapley values of NDCG@10)"
        table = Table("model", *MODALITIES, title=title, box=box.SIMPLE, pad_edge=False)
        for model, worth in groupby(split_rows, key=lambda row: row["model"]):
            values = {row["modality"]: f"{row['value']:+.3f}" for row in worth}
            table.add_row(model, *(values.get(name, "") for name in MODALITIES))
        yield table


def _gate(rows: list[dict[str, Any]]) -> Iterator["Table"]:
    """What the gate compared, narrow enough for a terminal; nothing where nothing was."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    if not rows:
        return
    title = "The gate: the candidate compared, in NDCG@10 where nothing else is named"
    heads = ("what", "users", "candidate", "difference", "")
    caption = "A verdict in brackets decides nothing."
    table = Table(*heads, title=title, caption=caption, box=box.SIMPLE, pad_edge=False)
    for row in rows:
        shown = readable_figure(row, digits=3)
        cells = (_compared(row), *(shown[head] for head in _GATE_COLUMNS))
        table.add_row(*map(escape, cells))
    yield table


def _compared(row: dict[str, Any]) -> str:
    """What a row of the table `gate` is about, in a few words."""
    if row["measure"] != "ndcg_10":
        return str(row["measure"])
    against = str(row["against"]).partition("-")[0]
    return f"{row['segment']}, {against}" if row["segment"] == "all" else str(row["segment"])


def write_html(settings: Settings, collected: dict[str, Any], target: Path) -> None:
    """Writes the report as one page that needs nothing but itself."""
    from jinja2 import Environment, PackageLoader, select_autoescape

    workspace = Workspace(settings)
    environment = Environment(
        loader=PackageLoader("orchestration"), autoescape=select_autoescape(), trim_blocks=True
    )
    page = environment.get_template("report.html").render(
        report=collected,
        board=[readable(row) for row in collected["leaderboard"]],
        gate=[readable_figure(row) for row in collected["champion"]["gate"]],
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
    counts = {(modality, status): count for modality, status, count in states.iter_rows()}
    return {
        modality: {status: counts.get((modality, status), 0) for status in _MEDIA_STATES}
        for modality in MEDIA_KINDS
    }


def _answering(workspace: Workspace) -> dict[str, Any]:
    """What answers, whose figures speak for it, and why that is champion.

    Raises:
        HistoryError: the history of champions is damaged.
    """
    lake = workspace.lake
    decision = lake.read("champion").row(0, named=True)
    serving = lake.read("serving_model").row(0, named=True)
    answering = serving["reason"]
    now = open_promotions(workspace).current()
    if now is not None and now.by == "hand" and now.version != serving["version"]:
        answering = f"Since that run, {reason_of_decision_by_hand(now)}."
    return {
        "model_version": lake.read("user_recommendations")["model_version"][0],
        "judged_version": serving["judged_by"],
        "champion": {
            "reason": decision["reason"],
            "answering": answering,
            "rivals": _rows(lake.read(RIVALS)),
            # A home of an older version has no such table before its next run.
            "gate": _rows(lake.read(GATE)) if lake.exists(GATE) else [],
        },
    }


def _alignment(lake: Lake) -> dict[str, Any]:
    return {tower: dict(lake.version(f"{tower}_alignment").summary) for tower in TOWERS}


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows for JSON, which knows neither NaN nor infinity: null stands for them."""
    floats = pl.col(pl.Float64)
    return frame.with_columns(pl.when(floats.is_finite()).then(floats)).to_dicts()


def _embedded_pictures(workspace: Workspace) -> dict[str, str]:
    paths = {title: workspace.paths.pictures / f"{name}.png" for name, title in _PICTURES.items()}
    return {
        title: base64.b64encode(path.read_bytes()).decode()
        for title, path in paths.items()
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
    from assets.media_places import MediaPlaces
    from models.media import MediaError
    from models.media.images import decode_image
    from models.media.limits import media_limits

    places, limits = MediaPlaces(workspace), media_limits(workspace.settings)
    files = workspace.lake.scan("media").filter(
        (pl.col("modality") == "image")
        & (pl.col("status") == "ok")
        & pl.col("item_id").is_in(items)
        & pl.col("mime").str.starts_with("image/")
    )
    thumbnails: dict[str, str] = {}
    for item, uri in files.select("item_id", "uri").collect().iter_rows():
        try:
            picture = decode_image(places.file(uri), limits)
        except MediaError:
            continue
        picture.thumbnail(_THUMBNAIL)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=80)
        thumbnails[item] = base64.b64encode(buffer.getvalue()).decode()
    return thumbnails

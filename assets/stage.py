"""How every asset is made: kept where nothing that it is made from has changed, else made again."""

import base64
import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import dagster as dg
import polars as pl

from crossmodal.atomic import atomic_write_bytes
from crossmodal.json_notes import read_note
from crossmodal.lake import Lake, TableVersion
from crossmodal.workspace import Workspace

OWNERS = ["team:recommendations"]
_PREVIEW_ROWS = 5
_PREVIEW_CHARACTERS = 60

Stamp = dict[str, str]
Context = dg.AssetExecutionContext


def made_from(
    context: Context, workspace: Workspace, *inputs: str, key: str | None = None, **choices: object
) -> Stamp:
    """What an asset is about to be made from: inputs, code version and the choices that matter.

    Args:
        context: names the asset, whose declared code version enters the stamp.
        workspace: whose lake holds the inputs.
        inputs: lake tables that the asset reads; their content versions enter the stamp.
        key: the asset of a multi-asset, None where there is only one.
        choices: settings and fingerprints that change the result; JSON-able.
    """
    asset_key = dg.AssetKey(key) if key else context.asset_key
    code = context.assets_def.code_versions_by_key[asset_key] or ""
    return {"code": code, **stamp_of(workspace.lake, inputs, choices)}


def stamp_of(lake: Lake, inputs: Iterable[str], choices: Mapping[str, Any]) -> Stamp:
    """The part of a stamp that is not the code's: inputs as they are now, and choices."""
    return {
        **{f"input:{name}": input_version(lake, name) for name in inputs},
        **{f"choice:{name}": json.dumps(value, default=str) for name, value in choices.items()},
    }


def filled(lake: Lake, tables: Iterable[str]) -> tuple[str, ...]:
    """Those of the tables that have a row.

    An input that most homes never fill is part of a stamp only then: elsewhere it makes nothing
    again.
    """
    return tuple(name for name in tables if lake.exists(name) and lake.version(name).rows)


def input_version(lake: Lake, table: str) -> str:
    """The content version of a table, partitioned or not.

    Raises:
        TableMissingError: no run has written the table yet.
    """
    if lake.partitions(table):
        return lake.partitioned_version(table)
    return lake.version(table).data_version


def materialize_table(
    context: Context,
    workspace: Workspace,
    table: str,
    stamp: Stamp,
    make: Callable[[], Mapping[str, Any] | None],
    pictures: tuple[str, ...] = (),
    key: str | None = None,
    intact: bool = True,
    figures: Callable[[], Mapping[str, Any]] = dict,
) -> dg.MaterializeResult:
    """Leaves the table if it was made from this stamp, else makes it; describes it either way.

    Args:
        context: of the asset; one line goes to its log.
        workspace: whose lake holds the table.
        table: the lake table that the asset owns.
        stamp: from `made_from`.
        make: writes the table with this stamp; may return figures of this run only, such as how
            many items it encoded.
        pictures: names of the picture files that `make` draws.
        key: the asset of a multi-asset; None if there is only one.
        intact: False if what the asset keeps next to its table (a model folder, the online store)
            is gone, so that it must be made again.
        figures: numbers of the table as it is now, whether it was made or kept.
    """
    started = time.perf_counter()
    version = workspace.lake.current(table, stamp) if intact else None
    unchanged = version is not None
    work: Mapping[str, Any] = {}
    if version is None:
        work = make() or {}
        version = workspace.lake.version(table)
    seconds = time.perf_counter() - started
    # To keep a table takes no time worth a point in the plot of how long it takes to make.
    took = {} if unchanged else {"seconds": round(seconds, 2)}
    if not unchanged:
        record_seconds(workspace, table, seconds)
    state = "unchanged, kept" if unchanged else f"made in {seconds:.1f} s"
    context.log.info(f"{table}: {version.rows:,} rows, {state}{_figures(work)}")
    return dg.MaterializeResult(
        asset_key=key,
        data_version=dg.DataVersion(version.data_version),
        metadata={
            **describe_table(workspace.lake, table, version),
            **picture_metadata(workspace, pictures),
            **figures(),
            **work,
            **took,
            "kept": unchanged,
        },
    )


def record_seconds(workspace: Workspace, table: str, seconds: float) -> None:
    """Notes how long a table last took to make, for the report: a kept table costs nothing."""
    file = workspace.paths.timings
    known = read_note(file)
    known[table] = round(seconds, 2)
    atomic_write_bytes(file, json.dumps(known, indent=2).encode())


def describe_table(lake: Lake, table: str, version: TableVersion) -> dict[str, Any]:
    """Metadata of a table: row count, column schema, preview, and the figures it carries."""
    frame = lake.scan(table)
    schema = frame.collect_schema()
    columns = [dg.TableColumn(name, str(dtype)) for name, dtype in schema.items()]
    return {
        "dagster/row_count": version.rows,
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "preview": dg.MetadataValue.md(markdown_table(frame.head(_PREVIEW_ROWS).collect())),
        **{name: metadata_value(value) for name, value in version.summary.items()},
    }


def metadata_value(value: Any) -> Any:
    """A summary figure as Dagster metadata; tables (lists of records) become Markdown."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return dg.MetadataValue.md(markdown_table(pl.DataFrame(value)))
    if isinstance(value, dict | list):
        return dg.MetadataValue.json(value)
    return value


def markdown_table(frame: pl.DataFrame) -> str:
    """A frame as a Markdown table; long values are cut, so that it stays readable."""
    header = "| " + " | ".join(frame.columns) + " |"
    rule = "|" + "---|" * frame.width
    rows = ["| " + " | ".join(map(_cell, row)) + " |" for row in frame.iter_rows()]
    return "\n".join([header, rule, *rows])


def picture_metadata(workspace: Workspace, names: tuple[str, ...]) -> dict[str, Any]:
    """Pictures of the state folder, embedded for the web UI."""
    paths = {name: workspace.paths.pictures / f"{name}.png" for name in names}
    return {
        name: dg.MetadataValue.md(
            f"![{name}](data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()})"
        )
        for name, path in paths.items()
        if path.is_file()
    }


def _figures(summary: Mapping[str, Any]) -> str:
    shown = [
        f"{name.replace('_', ' ')} {value:,.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in summary.items()
        if isinstance(value, int | float | str) and len(str(value)) < _PREVIEW_CHARACTERS
    ]
    return f" ({', '.join(shown)})" if shown else ""


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    text = text.replace("|", "\\|").replace("\n", " ")
    return text if len(text) <= _PREVIEW_CHARACTERS else text[: _PREVIEW_CHARACTERS - 1] + "…"

"""How every asset is made: kept where nothing that it is made from has changed, else made again."""

import base64
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from assets.columns import described, lineage_of
from crossmodal.lake import Lake, TableVersion
from crossmodal.timings import record_seconds
from crossmodal.workspace import Workspace

OWNERS = ["team:recommendations"]
_PREVIEW_ROWS = 5
_CELL_CHARACTERS = 60
CODE = "code"
"""The name of the code version in a stamp."""

_INPUT = "input:"
"""Begins the name of an input in a stamp."""

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
    return {CODE: code, **stamp_of(workspace.lake, inputs, choices)}


def stamp_of(lake: Lake, inputs: Iterable[str], choices: Mapping[str, Any]) -> Stamp:
    """The part of a stamp that is not the code's: inputs as they are now, and choices."""
    return {
        **{f"{_INPUT}{name}": input_version(lake, name) for name in inputs},
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

    An asset that the run forces is made in any case.

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
    asset = key or context.asset_key.to_user_string()
    stays = intact and asset not in workspace.forced
    version = workspace.lake.current(table, stamp) if stays else None
    unchanged = version is not None
    work: Mapping[str, Any] = {}
    if version is None:
        work = make() or {}
        version = workspace.lake.version(table)
    seconds = time.perf_counter() - started
    # To keep a table takes no time worth a point in the plot of how long it takes to make.
    took = {} if unchanged else {"seconds": round(seconds, 2)}
    if not unchanged:
        record_seconds(workspace.paths.timings, asset, seconds)
    workspace.progress(asset, 1, 1)
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


def describe_table(lake: Lake, table: str, version: TableVersion) -> dict[str, Any]:
    """Metadata of a table: row count, column schema, preview, and the figures it carries."""
    frame = lake.scan(table)
    return {
        "dagster/row_count": version.rows,
        **column_metadata(table, frame.collect_schema(), inputs_in(version.stamp)),
        "preview": _table(frame.head(_PREVIEW_ROWS).collect()),
        **{name: metadata_value(value) for name, value in version.summary.items()},
    }


def column_metadata(table: str, schema: pl.Schema, inputs: Iterable[str]) -> dict[str, Any]:
    """What each column of a table is, means and comes from.

    Args:
        table: of the lake.
        schema: its columns and their types.
        inputs: tables that it was made from.
    """
    columns = [
        dg.TableColumn(name, str(dtype), description=described(table, name))
        for name, dtype in schema.items()
    ]
    lineage = lineage_of(table, schema.names(), inputs)
    known = {"dagster/column_schema": dg.TableSchema(columns=columns)}
    return known if lineage is None else known | {"dagster/column_lineage": lineage}


def inputs_in(stamp: Mapping[str, str]) -> Sequence[str]:
    """The tables that a stamp says something was made from."""
    return [name.removeprefix(_INPUT) for name in stamp if name.startswith(_INPUT)]


def metadata_value(value: Any) -> Any:
    """A summary figure as Dagster metadata; lists of records become tables."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return _table(pl.DataFrame(value))
    if isinstance(value, dict | list):
        return dg.MetadataValue.json(value)
    return value


def _table(frame: pl.DataFrame) -> dg.TableMetadataValue:
    """A frame as a table that the web UI shows without a click; long values are cut.

    It would show longer Markdown as a button.
    """
    records = [
        dg.TableRecord({name: _cell(value) for name, value in row.items()})
        for row in frame.iter_rows(named=True)
    ]
    columns = [dg.TableColumn(name, str(dtype)) for name, dtype in frame.schema.items()]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


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
        if isinstance(value, int | float | str) and len(str(value)) < _CELL_CHARACTERS
    ]
    return f" ({', '.join(shown)})" if shown else ""


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _CELL_CHARACTERS else text[: _CELL_CHARACTERS - 1] + "…"

"""What only watches the version that answers: where it fails, the run goes on without.

`serving_model` comes after it. A step that fails would keep the new version from answering.
"""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from assets.table_asset import Making
from crossmodal.lake import Lake

_FAULT = "fault"

Watched = tuple[pl.DataFrame, Mapping[str, Any]]
"""The rows of a table, and figures of what was measured."""


def watch(
    making: Making,
    table: str,
    schema: Mapping[str, pl.DataType],
    measure: Callable[[pl.DataFrame], Watched],
) -> None:
    """Writes a table of measurements; where measuring fails, as it was, with the reason.

    The next run tries again: the stamp of such a table is not the one that it looks for.

    Args:
        making: of the asset.
        table: its table.
        schema: of the table.
        measure: from the rows so far to all rows and figures.
    """
    lake = making.lake
    before = lake.read(table) if lake.exists(table) else pl.DataFrame(schema=schema)
    try:
        rows, figures = measure(before)
    except Exception as error:
        making.context.log.exception(f"{table} could not be measured; the run goes on without.")
        fault = f"{type(error).__name__}: {error}"
        lake.write(table, before, {**making.stamp, _FAULT: fault}, **{_FAULT: fault})
        return
    lake.write(table, rows, making.stamp, **figures)


def why_unmeasured(lake: Lake, table: str) -> str:
    """Why the last run could not measure what a table holds; empty if it could.

    Raises:
        TableMissingError: no run has come to it yet.
    """
    return str(lake.version(table).summary.get(_FAULT, ""))

"""What apps reported to the online service, on its way into the lake."""

from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from assets.partitions import month_of
from assets.stage import Stamp
from assets.table_asset import Choices, Making, table_asset
from crossmodal.event_log import UNDONE, log_end, months, position_in, read_log
from crossmodal.lake import Lake
from crossmodal.log_position import START, LogPosition
from crossmodal.reported import counted
from crossmodal.value_scale import ValueScale
from crossmodal.workspace import Workspace
from sources.protocol import INTERACTIONS

_TABLE = "reported_events"
_SCHEMA = pa.schema(
    [
        ("position", pa.int64()),
        ("event_id", pa.string()),
        ("user_id", pa.string()),
        ("item_id", pa.string()),
        ("event_type", pa.string()),
        ("value", pa.float64()),
        ("text", pa.string()),
        ("request_id", pa.string()),
        ("event_timestamp", pa.timestamp("us", tz="UTC")),
        ("rank", pa.int32()),
    ]
)
_FRAME = pl.Schema(pl.DataFrame(_SCHEMA.empty_table()).schema)


def _log_as_it_is(workspace: Workspace) -> Choices:
    end = log_end(workspace.paths.event_log)
    return {"position": end.position, "event": end.event_id}


@table_asset(choices=_log_as_it_is, group="sources", kinds={"sqlite", "parquet"}, code_version="2")
def reported_events(making: Making) -> None:
    """Every event that the online service acknowledged, once, in the order of its log."""
    end = LogPosition(making.choices["position"], making.choices["event"])
    copy_log(making.workspace, end, making.stamp)


def copy_log(workspace: Workspace, end: LogPosition, stamp: Stamp) -> None:
    """Writes the table: what the lake has of former logs, then the log in force up to its end.

    A log that was moved away, or of which an older copy was put back, has lost what the lake still
    has. Events of former logs have no position.
    """
    former = _lost_from_log(workspace, end)
    taken = former["event_id"].implode()
    with workspace.lake.writer(_TABLE, _SCHEMA, stamp) as writer:
        writer.write(former)
        for batch in _batches(workspace, end):
            writer.write(batch.filter(~pl.col("event_id").is_in(taken)))
        writer.summarise(**end.summary(), former=former.height)


def reported_months(workspace: Workspace) -> set[str]:
    """The months in which apps have reported events, to the current log or to an earlier one."""
    reported = set(months(workspace.paths.event_log))
    if workspace.lake.exists(_TABLE):
        held = workspace.lake.scan(_TABLE).select(month_of().unique())
        reported.update(held.collect().to_series())
    return reported


def reported_interactions(
    lake: Lake, scale: ValueScale, item_ids: pl.Series
) -> tuple[pl.DataFrame, int]:
    """Reported events as interactions, in the columns of the source's own.

    Signs of interest and reviews become interactions, a review with the value 0; what was shown or
    hidden stays in `reported_events`.

    Args:
        lake: holds `reported_events`.
        scale: of the source's own events, which says what is strong.
        item_ids: of the catalogue.

    Returns:
        The interactions, and how many reports were about items that the catalogue lacks.
    """
    reports = counted(lake.read(_TABLE), scale)
    known = reports.filter(pl.col("item_id").is_in(item_ids.implode()))
    rows = known.select(pl.col(name).cast(dtype) for name, dtype in INTERACTIONS.items())
    return rows.unique(maintain_order=True), reports.height - known.height


def _lost_from_log(workspace: Workspace, end: LogPosition) -> pl.DataFrame:
    """Events that the lake keeps though the log in force does not say the same.

    The log lacks them, or an older copy of it was put back in which they are not undone yet.
    """
    lake, log = workspace.lake, workspace.paths.event_log
    if not lake.exists(_TABLE):
        return pl.DataFrame(schema=_FRAME)
    # A table of an older release has no ranks.
    known = pl.concat([lake.scan(_TABLE), pl.LazyFrame(schema=_FRAME)], how="diagonal_relaxed")
    known = known.cast(_FRAME)
    recorded = LogPosition.of(lake, _TABLE) or START
    # What an older version recorded does not say of which log it was.
    if recorded.event_id and position_in(log, recorded):
        known = known.filter(pl.col("position").is_null())
    former = known.with_columns(position=pl.lit(None, pl.Int64)).collect()
    if former.is_empty():
        return former
    undone = pl.col("event_type") == UNDONE
    for batch in _batches(workspace, end):
        in_log = pl.col("event_id").is_in(batch["event_id"].implode())
        undone_in_log = pl.col("event_id").is_in(batch.filter(undone)["event_id"].implode())
        former = former.filter(~in_log | (undone & ~undone_in_log))
    return former


def _batches(workspace: Workspace, end: LogPosition) -> Iterator[pl.DataFrame]:
    for rows in read_log(workspace.paths.event_log, end.position):
        schema = {**_FRAME, "event_timestamp": pl.Int64()}
        yield pl.DataFrame(rows, schema=schema, orient="row").cast(_FRAME)

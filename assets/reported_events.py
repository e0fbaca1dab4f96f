"""What apps reported to the online service, on its way into the lake."""

from collections.abc import Iterator

import dagster as dg
import polars as pl
import pyarrow as pa

from assets.stage import OWNERS, Context, made_from, materialize_table
from crossmodal.event_log import SIGNS_OF_INTEREST, last_position, read_log
from crossmodal.lake import Lake
from crossmodal.value_scale import ValueScale
from crossmodal.workspace import Workspace
from sources.protocol import INTERACTIONS

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
    ]
)


@dg.asset(
    group_name="sources",
    owners=OWNERS,
    kinds={"sqlite", "parquet"},
    code_version="1",
)
def reported_events(
    context: Context, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult:
    """Every event that the online service acknowledged, once, in the order of its log."""
    lake, log = workspace.lake, workspace.paths.event_log
    end = last_position(log)
    stamp = made_from(context, workspace, position=end)

    def make() -> None:
        with lake.writer("reported_events", _SCHEMA, stamp) as writer:
            for batch in _batches(workspace, end):
                writer.write(batch)
            writer.summarise(position=end)

    return materialize_table(context, workspace, "reported_events", stamp, make)


def reported_position(lake: Lake) -> int:
    """Up to which position of the log the lake has everything."""
    if not lake.exists("reported_events"):
        return 0
    return int(lake.version("reported_events").summary["position"])


def reported_interactions(
    lake: Lake, own: pl.DataFrame, item_ids: pl.Series
) -> tuple[pl.DataFrame, int]:
    """Reported events as interactions, in the columns of the source's own.

    Signs of interest and reviews become interactions, a review with the value 0; what was shown or
    hidden stays in `reported_events`.

    Args:
        lake: holds `reported_events`.
        own: the source's events, whose values say what is strong.
        item_ids: of the catalogue.

    Returns:
        The interactions, and how many reports were about items that the catalogue lacks.
    """
    scale = ValueScale.of(own.filter(pl.col("value") > 0)["value"].to_numpy())
    wanted = [*sorted(SIGNS_OF_INTEREST), "review"]
    reports = lake.read("reported_events").filter(pl.col("event_type").is_in(wanted))
    known = reports.filter(pl.col("item_id").is_in(item_ids.implode()))
    reported = pl.coalesce("value", pl.when(pl.col("event_type") == "like").then(scale.strong))
    values = (
        pl.when(pl.col("event_type") == "review")
        .then(0.0)
        .otherwise(pl.coalesce(reported, scale.middle))
    )
    rows = known.with_columns(value=values).select(
        pl.col(name).cast(dtype) for name, dtype in INTERACTIONS.items()
    )
    return rows.unique(maintain_order=True), reports.height - known.height


def _batches(workspace: Workspace, end: int) -> Iterator[pa.Table]:
    for rows in read_log(workspace.paths.event_log, end):
        columns = list(zip(*rows, strict=True))
        yield pa.table(
            [
                pa.array(column, pa.int64() if field.name == "event_timestamp" else field.type)
                for column, field in zip(columns, _SCHEMA, strict=True)
            ],
            names=_SCHEMA.names,
        )

"""How the point-in-time builders take events, and the convention of their rows' instants."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa

from crossmodal.lake import Lake

Events = pl.DataFrame | pl.LazyFrame | Sequence[Path]
"""user_id, item_id (String), value (Float32), event_timestamp (Datetime us UTC); or Parquet files
of these. Only what counts as an interaction: the caller filters by event type."""

COLUMNS = ("user_id", "item_id", "value", "event_timestamp")

KNOWN_AFTER = timedelta(microseconds=1)
"""A row that holds an event is stamped this much later than the event.

Feast's join takes rows at or before the asked instant. With the shift it takes events strictly
before it, so that an event sees neither itself nor others of the same microsecond.
"""

INSTANT = pa.timestamp("us", tz="UTC")


def positive_events(lake: Lake) -> pl.LazyFrame:
    """Events that say a user wanted an item: those with a positive weight.

    Raises:
        TableMissingError: no run has written an event yet.
    """
    return lake.scan_partitions("interactions").filter(pl.col("value") > 0)


def scan_events(events: Events) -> pl.LazyFrame:
    """The four columns of any form of events."""
    if isinstance(events, pl.DataFrame | pl.LazyFrame):
        return events.lazy().select(COLUMNS)
    return pl.scan_parquet(list(events)).select(COLUMNS)

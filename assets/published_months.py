"""The months of `interactions` in the lake; a month whose events are the same is not touched."""

import hashlib

import polars as pl

from crossmodal.lake import Lake

_TABLE = "interactions"


def publish_month(lake: Lake, month: str, frame: pl.DataFrame, *, again: bool) -> bool:
    """Writes a month where its content differs from the lake's, or again; says whether it did.

    Args:
        lake: holds the months.
        month: its key.
        frame: its events.
        again: whether it is written though nothing has changed.
    """
    table = f"{_TABLE}/{month}"
    digest = hashlib.sha256(frame.write_ipc(None, compat_level=pl.CompatLevel.oldest()).getvalue())
    stamp = {"content": digest.hexdigest()}
    if not again and (lake.current(table, stamp) or _holds(lake, table, frame)):
        return False
    lake.write(table, frame, stamp)
    return True


def drop_months_not_in(lake: Lake, staged: pl.LazyFrame) -> list[str]:
    """Removes the months without an event; returns their keys.

    Args:
        lake: holds the months.
        staged: all events, with their `month`.
    """
    held = set(staged.select("month").unique().collect().to_series())
    gone = [key for key in lake.partitions(_TABLE) if key not in held]
    for key in gone:
        lake.drop_partition(_TABLE, key)
    return gone


def _holds(lake: Lake, table: str, frame: pl.DataFrame) -> bool:
    """Whether a month is in the lake: equal frames may differ in bits that stand for no value."""
    return lake.exists(table) and lake.read(table).equals(frame)

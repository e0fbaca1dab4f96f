"""Months of events: the partitions of the interactions."""

from collections.abc import Sequence

import dagster as dg
import polars as pl

months = dg.DynamicPartitionsDefinition(name="month")
"""Whatever months the source holds, 1995 or yesterday."""

MONTH_FORMAT = "%Y-%m"


def month_of(column: str = "event_timestamp") -> pl.Expr:
    """The partition key of an event."""
    return pl.col(column).dt.strftime(MONTH_FORMAT)


def register_months(instance: dg.DagsterInstance, month_keys: list[str]) -> list[str]:
    """Makes the partitions exactly the months of `month_keys`, in order; returns them.

    Dagster lists dynamic partitions in the order in which they were added, and a range of them is a
    range in that order, so a late file with an older month re-registers all of them. What was
    materialized stays known by its key.
    """
    wanted = sorted(month_keys)
    known = list(instance.get_dynamic_partitions(str(months.name)))
    if known == wanted:
        return wanted
    prefix = known if known == wanted[: len(known)] else []
    for key in known[len(prefix) :]:
        instance.delete_dynamic_partition(str(months.name), key)
    instance.add_dynamic_partitions(str(months.name), wanted[len(prefix) :])
    return wanted


def months_of_run(context: dg.AssetExecutionContext, known: list[str]) -> Sequence[str]:
    """The months that were chosen for a run; all where none was chosen.

    Whoever starts a run by hand need not know the months, and those of another source are known
    only once that source has been read.

    Args:
        context: of the partitioned asset.
        known: all months that there are now; they become the partitions.
    """
    if context.has_partition_key or context.has_partition_key_range:
        return context.partition_keys
    keys = register_months(context.instance, known)
    for key in keys:
        context.log_event(dg.AssetMaterialization(context.asset_key, partition=key))
    return keys

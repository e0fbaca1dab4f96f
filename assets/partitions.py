"""Months of events: the partitions of the interactions."""

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

"""Months of events: the partitions of the interactions."""

from collections.abc import Sequence

import dagster as dg
import polars as pl
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

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


def chose_months(context: dg.AssetExecutionContext) -> bool:
    """Whether months were chosen for a run."""
    return context.has_partition_key or context.has_partition_key_range


def months_of_run(context: dg.AssetExecutionContext, known: list[str]) -> Sequence[str]:
    """The months that were chosen for a run; all where none was chosen.

    Whoever starts a run by hand need not know the months, and those of another source are known
    only once that source has been read.

    Args:
        context: of the partitioned asset.
        known: all months that there are now; where none was chosen, they become the partitions.
    """
    if chose_months(context):
        return context.partition_keys
    return register_months(context.instance, known)


def record_months(
    context: dg.AssetExecutionContext, month_keys: Sequence[str], version: dg.DataVersion
) -> None:
    """Records in Dagster that a run for which no month was chosen has made these months.

    They get the tags that Dagster itself gives to chosen ones. Without these, each later run of
    chosen months would count as a change of content, and what is current would show as stale.

    Args:
        context: of the partitioned asset.
        month_keys: partitions that are there now.
        version: of the content of all of them.
    """
    tags = {
        CODE_VERSION_TAG: context.assets_def.code_versions_by_key[context.asset_key] or "",
        DATA_VERSION_TAG: version.value,
        DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
        **_tags_of_inputs(context),
    }
    for key in month_keys:
        context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, tags=tags))


def _tags_of_inputs(context: dg.AssetExecutionContext) -> dict[str, str]:
    """Which versions of its inputs an asset is made from."""
    step = context.get_step_execution_context()
    tags = {}
    for key in context.assets_def.asset_deps[context.asset_key]:
        found = step.maybe_fetch_and_get_input_asset_version_info(key)
        made = None if found is None else found.data_version
        tags[get_input_data_version_tag(key)] = (made or DEFAULT_DATA_VERSION).value
        event = NULL_EVENT_POINTER if found is None else str(found.storage_id)
        tags[get_input_event_pointer_tag(key)] = event
    return tags

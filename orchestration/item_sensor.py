"""The sensor that takes what apps put into the catalogue into the lake."""

import dagster as dg

from assets.partitions import register_months
from assets.reported_events import reported_months
from assets.reported_items import REPORTED_ITEMS, copied_up_to
from assets.stage import filled
from crossmodal.home_lock import holder_of
from crossmodal.item_states import items_end
from crossmodal.lake import Lake
from crossmodal.workspace import Workspace
from orchestration import defaults
from orchestration.jobs import month_range_tags

_READERS = ("items", "staged_interactions")


def reported_items_sensor(workspace: Workspace) -> dg.SensorDefinition:
    """Looks every minute for items that apps put or deleted and that the lake does not have yet."""

    @dg.sensor(
        name="reported_items",
        job_name="ingest",
        minimum_interval_seconds=60,
        default_status=defaults.of_sensors(workspace.settings),
        description="Takes the items that apps put or deleted into the lake. "
        f"{defaults.HOW_TO_TURN_ON}",
    )
    def reported(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Decides by what is copied into the lake.

        Not copied: run. Copied, but its readers are not made from it: run under a second key,
        unless a run holds the home. Both done: skip.
        """
        lake = workspace.lake
        if not lake.exists("staged_interactions"):
            return dg.SkipReason("Nothing was ingested yet: run `crossmodal run` once first.")
        end = items_end(workspace.paths.item_log)
        copied = end == copied_up_to(lake)
        if not end.position or (copied and _tables_use_newest_copy(lake)):
            return dg.SkipReason("The lake has every item that apps put.")
        if copied and holder_of(workspace.paths) is not None:
            return dg.SkipReason("A run has copied the items, and may be about to read them.")
        known = lake.version("staged_interactions").summary["months"]
        months = register_months(context.instance, sorted({*known, *reported_months(workspace)}))
        # One run for each change, however often the sensor looks before that run has ended.
        key = f"up to {end.position}, {end.item_id}, {end.state}"
        # The run of that key has ended after the copy: Dagster starts no second one of it.
        run_key = f"{key}, copied" if copied else key
        return dg.RunRequest(run_key=run_key, tags=month_range_tags(months))

    return reported


def _tables_use_newest_copy(lake: Lake) -> bool:
    """Whether the tables of the catalogue and its events were made from the newest copy.

    A run may have ended between the copy and them.
    """
    if not filled(lake, [REPORTED_ITEMS]):
        return True
    version = lake.version(REPORTED_ITEMS).data_version
    stamps = [lake.version(table).stamp for table in _READERS if lake.exists(table)]
    return all(stamp.get(f"input:{REPORTED_ITEMS}") == version for stamp in stamps)

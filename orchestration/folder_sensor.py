"""The sensor that takes files of events out of a watched folder."""

import dagster as dg

from crossmodal.workspace import Workspace
from orchestration import defaults
from orchestration.watched_folder import look, read_cursor


def event_files_sensor(workspace: Workspace) -> dg.SensorDefinition:
    """Looks every minute for files of events that are complete."""

    @dg.sensor(
        name="event_files",
        minimum_interval_seconds=60,
        default_status=defaults.of_sensors(workspace.settings),
        description="Takes the files of CROSSMODAL_UNATTENDED_EVENTS_FOLDER into the log of "
        f"events. {defaults.HOW_TO_TURN_ON}",
    )
    def event_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        folder = workspace.settings.unattended_events_folder
        if folder is None:
            return dg.SkipReason("CROSSMODAL_UNATTENDED_EVENTS_FOLDER names no folder.")
        if not folder.is_dir():
            return dg.SkipReason(f"There is no folder {folder}.")
        if not workspace.lake.exists("items"):
            return dg.SkipReason("There is no catalogue yet: run `crossmodal run` once first.")
        found = look(workspace, folder, read_cursor(context.cursor))
        for name in found.refused:
            context.log.error(f"{name} was set aside; a text next to it in {folder} says why.")
        for said in found.unreadable:
            context.log.warning(f"{said} It is tried again with the next look.")
        return dg.SensorResult(skip_reason=found.summary(), cursor=found.cursor.model_dump_json())

    return event_files

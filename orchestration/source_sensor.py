"""The sensor that looks at the source's files: what has changed shows as stale and starts a run."""

from datetime import UTC, datetime
from typing import Any, cast

import dagster as dg
from pydantic import BaseModel, ValidationError

from assets.observed import observations, states_in
from assets.partitions import register_months
from assets.source_state import current_states
from crossmodal.settings import load_settings
from crossmodal.workspace import Workspace
from orchestration import defaults
from orchestration.jobs import month_range_tags
from orchestration.night import plan_night
from orchestration.schedules import source_months
from sources.protocol import SourceError

_SECONDS = 300


class _Seen(BaseModel):
    """What the look before has left.

    Attributes:
        states: in which it found the source.
        asked: those that a run was asked for and that the last run has not seen yet.
        runs: how many were asked for.
    """

    states: dict[str, str] = {}
    asked: dict[str, str] = {}
    runs: int = 0


def source_sensor(workspace: Workspace) -> dg.SensorDefinition:
    """Looks every five minutes whether a file of the source is another than the last run's."""

    @dg.sensor(
        name="source_changed",
        job_name="everything",
        minimum_interval_seconds=_SECONDS,
        default_status=defaults.of_sensors(workspace.settings),
        description="Shows what the source's changed files make stale, and starts a run as the "
        "schedule nightly does. "
        f"{defaults.HOW_TO_TURN_ON}",
    )
    def source_changed(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        # The process that evaluates sensors lives for weeks; the source may have changed since.
        current = Workspace(load_settings(home=workspace.settings.home))
        if not states_in(current.lake):
            return dg.SkipReason("Nothing was ingested yet: run `crossmodal run` once first.")
        try:
            return _looked(current, context)
        except (SourceError, OSError) as error:
            return dg.SkipReason(f"The source cannot be looked at. {error}")

    return source_changed


def _looked(workspace: Workspace, context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Decides by the states of the source's files.

    1. The last run saw these states: nothing.
    2. They differ from the last look: still being written, wait one look.
    3. Unchanged and already asked for: wait.
    4. Unchanged and not asked for: ask.
    """
    states, before = dict(current_states(workspace)), _read(context.cursor)
    # Each state once: Dagster keeps every event.
    events = [] if states == before.states else observations(states)
    seen = before.model_copy(update={"states": states})
    result: dict[str, Any] = {}
    if states == states_in(workspace.lake):
        seen.asked = {}
        result["skip_reason"] = "The last run has seen every file."
    elif states != before.states:
        result["skip_reason"] = "Files have changed; a run starts if the next look finds the same."
    elif states == before.asked:
        result["skip_reason"] = "A run was asked for."
    else:
        seen.asked, seen.runs = states, before.runs + 1
        months = register_months(context.instance, source_months(workspace))
        # Were the cursor not kept, the next look would ask for this very run.
        key = f"{seen.runs}: {' '.join(states.values())}"
        night = plan_night(workspace, context.instance, datetime.now(UTC))
        # Dagster's daemon always gives it.
        repository = cast(dg.RepositoryDefinition, context.repository_def)
        result["run_requests"] = [night.request(repository, month_range_tags(months), key)]
    return dg.SensorResult(cursor=seen.model_dump_json(), asset_events=events, **result)


def _read(cursor: str | None) -> _Seen:
    try:
        return _Seen.model_validate_json(cursor or "{}")
    except ValidationError:
        return _Seen()

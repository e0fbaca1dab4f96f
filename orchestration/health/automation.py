"""Which schedules and sensors are on, when they start a run next, and whether anything would."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from dagster import DagsterInstance
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    TickStatus,
)
from dagster._utils.schedules import schedule_execution_time_iterator

from orchestration.health.facts import Automation, FailedTick, NextRun
from orchestration.health.runs import one_line

WATCHING = ("health", "failed_runs")
"""Sensors that start nothing: they are on in every home, and say so themselves."""

_SILENT = timedelta(minutes=5)
"""A daemon that works is heard of every half minute."""


def automation_of(
    instance: DagsterInstance, time_zone: str, ui_works: bool, unattended: bool, now: datetime
) -> Automation:
    """What Dagster's daemon does by itself in a home.

    Args:
        instance: of the home.
        time_zone: of the schedules' hours.
        ui_works: whether `crossmodal ui` runs, which starts the daemon.
        unattended: whether schedules and sensors are on without a person who turned them on.
        now: the time.
    """
    on = _turned_on(instance, unattended)
    seen_at = _seen_at(instance)
    heard = seen_at is not None and now - seen_at < _SILENT
    schedules = {name: one for name, one in on.items() if _cron(one) is not None}
    next_runs = [NextRun(name, _next(one, time_zone, now)) for name, one in schedules.items()]
    failed = (_failed_tick(instance, one) for one in on.values())
    return Automation(
        works=ui_works or heard,
        seen_at=seen_at,
        next_runs=tuple(sorted(next_runs, key=lambda run: (run.at, run.schedule))),
        sensors=tuple(name for name in on if name not in schedules),
        failed_ticks=tuple(tick for tick in failed if tick is not None),
    )


def _turned_on(instance: DagsterInstance, unattended: bool) -> Mapping[str, InstigatorState]:
    """What starts runs, or takes files, by itself, by name; not what only watches the home."""
    states = sorted(instance.all_instigator_state(), key=lambda state: state.name)
    kinds = (InstigatorType.SCHEDULE, InstigatorType.SENSOR)
    return {
        state.name: state
        for state in states
        if state.instigator_type in kinds and _is_on(state, unattended)
    }


def _is_on(state: InstigatorState, unattended: bool) -> bool:
    if state.status is InstigatorStatus.DECLARED_IN_CODE:
        # Dagster keeps the state after the default has changed back to off.
        return unattended and state.name not in WATCHING
    return state.status is InstigatorStatus.RUNNING


def _seen_at(instance: DagsterInstance) -> datetime | None:
    beats = [beat.timestamp for beat in instance.get_daemon_heartbeats().values()]
    return datetime.fromtimestamp(max(beats), UTC) if beats else None


def _cron(state: InstigatorState) -> ScheduleInstigatorData | None:
    data = state.instigator_data
    return data if isinstance(data, ScheduleInstigatorData) else None


def _next(state: InstigatorState, time_zone: str, now: datetime) -> datetime:
    data = _cron(state)
    assert data is not None
    times = schedule_execution_time_iterator(now.timestamp(), data.cron_schedule, time_zone)
    return next(times).astimezone(UTC)


def _failed_tick(instance: DagsterInstance, state: InstigatorState) -> FailedTick | None:
    """The last look of a schedule or sensor, if it failed."""
    ended = [TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE]
    ticks = instance.get_ticks(
        state.instigator_origin_id, state.selector_id, limit=1, statuses=ended
    )
    if not ticks or ticks[0].status is not TickStatus.FAILURE:
        return None
    error = ticks[0].error
    while error is not None and error.cause is not None:
        error = error.cause
    reason = "no reason was given" if error is None else error.message
    return FailedTick(state.name, datetime.fromtimestamp(ticks[0].timestamp, UTC), one_line(reason))

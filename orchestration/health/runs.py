"""What Dagster has recorded of runs: the last that ended well, and the last that failed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG

from orchestration.failures import why_failed
from orchestration.health.facts import EndedRun, Runs
from orchestration.run_queue import QUEUED_TAG

_MOST_FAILURES = 10
"""So many are looked at for one whose work was not done since; older ones are long past."""

_MOST_CHARACTERS = 300
_TRIED_AGAIN_WITHIN = timedelta(minutes=5)
"""A daemon that works looks every few seconds for killed runs; after a kill of its own it has to
start first."""

_TOLD = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.PIPELINE_FAILURE,
}


def recorded_runs(
    instance: DagsterInstance, all_current_at: datetime | None, now: datetime
) -> Runs:
    """The last runs of a home.

    Args:
        instance: of the home.
        all_current_at: when a run last found everything current, so that what had failed earlier
            was made good.
        now: the time.
    """
    successes = _last(instance, DagsterRunStatus.SUCCESS, 1)
    failures = _last(instance, DagsterRunStatus.FAILURE, _MOST_FAILURES)
    still_open = (
        one
        for one in failures
        if not _taken_up(instance, one, now) and not _made_good(instance, one, all_current_at)
    )
    of_jobs: dict[str, RunRecord] = {}
    for one in still_open:
        of_jobs.setdefault(one.dagster_run.job_name, one)
    return Runs(
        next((_ended(one) for one in successes), None),
        next((_failed(instance, one) for one in failures), None),
        tuple(_failed(instance, one) for one in of_jobs.values()),
    )


def one_line(reason: str) -> str:
    """A reason on one line that a chat or a table has room for."""
    line = " ".join(reason.split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 1]}…"


def _last(instance: DagsterInstance, status: DagsterRunStatus, most: int) -> Sequence[RunRecord]:
    return instance.get_run_records(RunsFilter(statuses=[status]), limit=most)


def _ended(record: RunRecord, reason: str = "") -> EndedRun:
    run = record.dagster_run
    return EndedRun(run.run_id, run.job_name, _end(record), reason)


def _failed(instance: DagsterInstance, record: RunRecord) -> EndedRun:
    found = instance.get_records_for_run(record.dagster_run.run_id, of_type=_TOLD).records
    events = [one.event_log_entry.dagster_event for one in found]
    reason = why_failed([event for event in events if event is not None])
    return _ended(record, one_line(reason))


def _end(record: RunRecord) -> datetime:
    # A run that was marked as failed by another process may have no end of its own.
    ended = record.update_timestamp.replace(tzinfo=UTC).timestamp()
    return datetime.fromtimestamp(record.end_time or ended, UTC)


def _taken_up(instance: DagsterInstance, record: RunRecord, now: datetime) -> bool:
    """Whether the daemon tries a killed run again by itself, and the last try has not ended yet."""
    tags = record.dagster_run.tags
    if QUEUED_TAG not in tags or tags.get(WILL_RETRY_TAG) != "true":
        return False
    if AUTO_RETRY_RUN_ID_TAG not in tags:
        return now - _end(record) < _TRIED_AGAIN_WITHIN
    again = instance.get_run_record_by_id(tags[AUTO_RETRY_RUN_ID_TAG])
    if again is None:
        return False
    return not again.dagster_run.is_finished or _taken_up(instance, again, now)


def _made_good(
    instance: DagsterInstance, record: RunRecord, all_current_at: datetime | None
) -> bool:
    """Whether later runs have done what a failed one was to do, whatever these were called."""
    end = _end(record)
    if all_current_at is not None and all_current_at > end:
        return True
    planned = _assets_of(instance, record, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    made = _assets_of(instance, record, dg.DagsterEventType.ASSET_MATERIALIZATION)
    unmade = planned - made
    # A run whose last check failed had made everything; then all of it must be made again.
    to_make = unmade or planned
    if not to_make:
        # It failed before it planned anything: any later success will do.
        later = RunsFilter(statuses=[DagsterRunStatus.SUCCESS], created_after=end)
        return bool(instance.get_runs(later, limit=1))
    latest = instance.get_latest_materialization_events(list(to_make))
    events = (latest.get(key) for key in to_make)
    return all(event is not None and event.timestamp > end.timestamp() for event in events)


def _assets_of(
    instance: DagsterInstance, record: RunRecord, kind: dg.DagsterEventType
) -> set[dg.AssetKey]:
    found = instance.get_records_for_run(record.dagster_run.run_id, of_type=kind).records
    events = (one.event_log_entry.dagster_event for one in found)
    keys = (None if event is None else event.asset_key for event in events)
    return {key for key in keys if key is not None}

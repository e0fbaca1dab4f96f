"""One run of the platform from the command line, on the instance that the web UI shows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import MAX_RETRIES_TAG

from assets.partitions import register_months
from crossmodal.lake_damage import damage, set_aside
from crossmodal.paths import StatePaths
from crossmodal.settings import Settings, remember_source
from crossmodal.timings import recorded_seconds
from crossmodal.workspace import Workspace
from orchestration.compiling_ahead import compiling_ahead
from orchestration.definitions import build_definitions
from orchestration.failures import INTERRUPTED, root_of, said_of_check, said_of_step
from orchestration.finished import choices_in_force, remember_finished, still_finished
from orchestration.health.alerts import alert_of_run
from orchestration.instance import (
    CLI_RUN_TAG,
    cancel_unfinished,
    open_instance,
    readable_records,
    sole_run,
)
from orchestration.jobs import month_range_tags
from orchestration.night import Night, plan_night
from orchestration.progress import watched
from orchestration.stages import pipeline_assets

_READING = dg.AssetSelection.assets(
    "reported_events",
    "reported_items",
    "raw_interactions",
    "raw_items",
    "raw_media",
    "staged_interactions",
    "staged_items",
    "rejects",
    "repairs",
)
_GO_ON = "Interrupted; run again to go on from here."
_RUN_LOG: dict[str, Any] = {"loggers": {"console": {"config": {}}}}


class RunFailedError(RuntimeError):
    """An asset or a blocking check failed; the message says which and why."""


class CheckFailedError(RunFailedError):
    """A blocking check stopped the run: what it judged was read and made."""


class RunInterruptedError(RuntimeError):
    """Someone stopped the run; what it had finished is kept."""


class UnknownSelectionError(ValueError):
    """A selection string cannot be read, or selects nothing."""


@dataclass(frozen=True)
class RunSummary:
    """What a run did.

    Attributes:
        made: assets that were computed, in order.
        kept: assets whose inputs had not changed.
        encoded: texts, pictures and sounds that went through an encoder.
        fitted: models and alignment heads that were trained.
        seconds: time by computed asset.
        failed_checks: what checks found amiss that stop nothing, a sentence each.
        deleted: old versions of models that were deleted.
        freed_bytes: what that freed.
    """

    made: tuple[str, ...]
    kept: tuple[str, ...]
    encoded: int
    fitted: int
    seconds: dict[str, float]
    failed_checks: tuple[str, ...]
    deleted: int = 0
    freed_bytes: int = 0


def run_pipeline(
    settings: Settings,
    only: str | None = None,
    waiting: Callable[[str], None] | None = None,
    tags: Mapping[str, str] | None = None,
) -> RunSummary:
    """Materializes everything that is stale, or the assets of a Dagster selection string.

    The source is read first, in a run of its own, since the months that the partitioned assets of
    the second run cover are only known then. If the source has nothing new, and nothing else has
    changed since the last whole run, there is no second run.

    Args:
        settings: of the home and its source.
        only: the selection; None for everything.
        waiting: called with a sentence that says for whom this run waits, where another works in
            the same home; without it, none waits.
        tags: of the runs, in addition to their own: by its tags, a night knows the one before.

    Raises:
        UnknownSelectionError: the selection cannot be read, or there is no such asset.
        RunFailedError: an asset or a blocking check failed.
        RunInterruptedError: someone stopped it.
        HomeBusyError: another run works in the same home, and `waiting` is None.
        StoreError: Dagster's records are damaged, or cannot be written.
    """
    chosen, own_tags = _selection(only).required_multi_asset_neighbors(), dict(tags or {})
    names = _named(chosen, only)
    recorded = recorded_seconds(StatePaths(settings.home).timings)
    with watched({name: recorded[name] for name in names & recorded.keys()}) as progress:
        workspace = Workspace(settings, progress)
        with (
            readable_records(workspace.paths),
            open_instance(workspace.paths) as instance,
            sole_run(workspace.paths, instance, waiting=waiting),
            _followed_by_alerts(workspace, instance),
            _with_whole_tables(workspace),
            _canceled_where_interrupted(instance),
            # From the start: the sample is drawn on one core.
            compiling_ahead(),
        ):
            definitions = build_definitions(workspace, alone=True)
            choices = choices_in_force(workspace)
            try:
                source = _materialize(definitions, instance, chosen & _READING, own_tags)
            except CheckFailedError:
                # The source can be read: the way out of the check is a run of the same source.
                remember_source(settings)
                raise
            if source.events:
                remember_source(settings)
            read = _summary(source.events, source.failed_checks)
            if only is None and not read.made and not read.failed_checks:
                shown = {key.to_user_string() for key in instance.all_asset_keys()}
                found = still_finished(workspace, choices, shown)
                if found is not None:
                    remember_finished(workspace, choices, found.assets, found.failed_checks)
                    return replace(read, kept=found.assets, failed_checks=found.failed_checks)
            months = _month_tags(workspace, instance)
            rest = _materialize(definitions, instance, chosen - _READING, {**months, **own_tags})
            events = (*source.events, *rest.events)
            summary = _summary(events, (*source.failed_checks, *rest.failed_checks))
            if only is None and not source.failed_checks:
                assets = (*summary.made, *summary.kept)
                remember_finished(workspace, choices, assets, rest.failed_checks)
    return summary


def planned_night(settings: Settings) -> Night:
    """What the schedule `nightly` would do now.

    Raises:
        StoreError: Dagster's records are damaged, or cannot be written.
    """
    workspace = Workspace(settings)
    with readable_records(workspace.paths), open_instance(workspace.paths) as instance:
        return plan_night(workspace, instance, datetime.now(UTC))


@dataclass(frozen=True)
class _Done:
    """What a run materialized, and what its checks found amiss that stops nothing."""

    events: tuple[dg.AssetMaterialization, ...] = ()
    failed_checks: tuple[str, ...] = ()


def _selection(only: str | None) -> dg.AssetSelection:
    if only is None:
        return dg.AssetSelection.all()
    try:
        # What is only looked at, as the files of the source, is not for a run to make.
        return dg.AssetSelection.from_string(only).materializable()
    except dg.DagsterError as error:
        raise UnknownSelectionError(
            f"{only!r} is no asset selection; write an asset's name, or group:embeddings."
        ) from error


def _named(chosen: dg.AssetSelection, only: str | None) -> frozenset[str]:
    """The names of the assets of a selection, of which there must be one."""
    try:
        keys = chosen.resolve(pipeline_assets())
    except dg.DagsterInvalidSubsetError:
        keys = set()
    if not keys:
        raise UnknownSelectionError(f"There is no asset {only!r}; the web UI shows their names.")
    return frozenset(key.to_user_string() for key in keys)


def _month_tags(workspace: Workspace, instance: dg.DagsterInstance) -> dict[str, str]:
    """The range of all months that the source holds; empty before it was read."""
    if not workspace.lake.exists("staged_interactions"):
        return {}
    month_keys = workspace.lake.version("staged_interactions").summary["months"]
    return month_range_tags(register_months(instance, month_keys))


def _materialize(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    selection: dg.AssetSelection,
    tags: dict[str, str],
) -> _Done:
    job = definitions.resolve_job_def("everything")
    graph = job.asset_layer.asset_graph
    keys = sorted(selection.resolve(graph))
    if not keys:
        return _Done()
    result = job.execute_in_process(
        instance=instance,
        asset_selection=keys,
        # The daemon could not start it again.
        tags={**tags, CLI_RUN_TAG: "true", MAX_RETRIES_TAG: "0"},
        run_config=_RUN_LOG,
        raise_on_error=False,
    )
    if not result.success:
        failure = _failure(result)
        if isinstance(failure, RunInterruptedError):
            # Dagster takes what nobody canceled in its web UI for a failure.
            instance.report_run_canceled(result.dagster_run, message=str(failure))
        raise failure
    events = result.get_asset_materialization_events()
    return _Done(
        tuple(event.materialization for event in events),
        tuple(map(said_of_check, _failed_checks(result, blocking=False))),
    )


def _failed_checks(
    result: dg.ExecuteInProcessResult, *, blocking: bool
) -> list[dg.AssetCheckEvaluation]:
    """The failed checks that stop what follows them, or those that do not."""
    checks = result.get_asset_check_evaluations()
    return [check for check in checks if not check.passed and bool(check.blocking) is blocking]


def _failure(result: dg.ExecuteInProcessResult) -> RuntimeError:
    """Which check or step failed and why, in one sentence."""
    if any(_is_interruption(event) for event in result.all_events):
        return RunInterruptedError(_GO_ON)
    for check in _failed_checks(result, blocking=True):
        return CheckFailedError(said_of_check(check))
    for event in result.all_node_events:
        if event.is_step_failure:
            error = root_of(event.step_failure_data.error)
            if error is not None and error.cls_name == INTERRUPTED:
                return RunInterruptedError(_GO_ON)
            return RunFailedError(said_of_step(event.step_key, error))
    return RunFailedError("The run failed before its first asset; see its log in the web UI.")


def _is_interruption(event: dg.DagsterEvent) -> bool:
    return event.event_type is dg.DagsterEventType.PIPELINE_FAILURE and (
        event.job_failure_data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION
    )


@contextmanager
def _followed_by_alerts(workspace: Workspace, instance: dg.DagsterInstance) -> Iterator[None]:
    """Posts what begins or passes with the run; not where somebody has stopped it."""
    try:
        yield
    except RunFailedError:
        alert_of_run(workspace, instance)
        raise
    alert_of_run(workspace, instance)


@contextmanager
def _with_whole_tables(workspace: Workspace) -> Iterator[None]:
    """Sets damaged tables aside, so that they are made again by this run, or by the next.

    To read every byte of every table takes too long for each run: that is done where one failed.

    Raises:
        RunFailedError: with what was found damaged after a failure.
    """
    set_aside(workspace.lake)
    try:
        yield
    except CheckFailedError:
        raise
    except RunFailedError as error:
        found = set_aside(workspace.lake, damage)
        if not found:
            raise
        raise RunFailedError(f"{str(error).rstrip('.')}. {' '.join(found)} Run again.") from error


@contextmanager
def _canceled_where_interrupted(instance: dg.DagsterInstance) -> Iterator[None]:
    """Leaves no run behind that looks as if it still went on."""
    try:
        yield
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError) as error:
        cancel_unfinished(instance)
        raise RunInterruptedError(_GO_ON) from error


def _summary(
    events: Sequence[dg.AssetMaterialization], failed_checks: tuple[str, ...]
) -> RunSummary:
    values: dict[str, dict[str, Any]] = {
        event.asset_key.to_user_string(): {
            name: value.value for name, value in event.metadata.items()
        }
        for event in events
    }
    unchanged = tuple(name for name, figures in values.items() if figures.get("kept"))
    return RunSummary(
        made=tuple(name for name in values if name not in unchanged),
        kept=unchanged,
        encoded=sum(int(figures.get("encoded", 0)) for figures in values.values()),
        fitted=sum(int(figures.get("fitted", 0)) for figures in values.values()),
        seconds={
            name: float(figures.get("seconds", 0.0))
            for name, figures in values.items()
            if name not in unchanged
        },
        failed_checks=failed_checks,
        deleted=sum(int(figures.get("deleted", 0)) for figures in values.values()),
        freed_bytes=sum(int(figures.get("freed_bytes", 0)) for figures in values.values()),
    )

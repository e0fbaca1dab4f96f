"""The workspace of runs that Dagster starts: theirs once nobody else works in the home."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
from dagster._core.errors import raise_execution_interrupts
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG
from pydantic import Field, ValidationError

from crossmodal.lake_damage import damage, set_aside
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from orchestration.forced import forced_in
from orchestration.instance import sole_run
from orchestration.jobs import FULL_EVALUATION_TAG
from orchestration.run_queue import QUEUED_TAG
from orchestration.run_settings import (
    FORCE,
    AssetName,
    ExtraModel,
    SourceName,
    as_tags,
    chosen_in,
    of_last_run,
    refused,
    settings_chosen,
    usually,
)

RESOURCE = "workspace"
"""The key of the resource."""

_LIMITED_TAG = "crossmodal/limited"
"""Of runs whose limit of time is that of the settings. Tries after a kill have a run's tags too."""


@dataclass(frozen=True)
class OpenedHome:
    """The home of the runs.

    Attributes:
        workspace: as it is before a run has begun.
        reopened: opens it again with the settings that were chosen for a run.
    """

    workspace: Workspace
    reopened: Callable[..., Workspace]


class RunWorkspace(dg.ConfigurableResource[Workspace]):
    """The settings and tables that a run works with. What you change here holds for one run; only
    the source is remembered, as after `crossmodal run --source`.
    """

    source: SourceName | None = of_last_run("source")
    source_path: str | None = of_last_run("source_path")
    source_name: str | None = of_last_run("source_name")
    extra_models: list[ExtraModel] | None = usually("extra_models")
    training_epochs: int | None = usually("training_epochs")
    seed: int | None = usually("seed")
    force: list[AssetName] = Field(
        default=[],
        description="Assets that are made again although nothing that they are made from has "
        "changed.",
    )
    home: dg.ResourceDependency[OpenedHome]

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Workspace]:
        """Keeps the home's lock from a run's first step to its last.

        The queue lets one run of the web UI and its daemon work at a time, but knows nothing of
        `crossmodal run`. A run that finds the home busy waits; its log says for whom.
        """
        instance, run, log = context.instance, context.run, context.log
        if instance is None or run is None or log is None:
            raise dg.DagsterInvariantViolationError("The workspace is there for runs alone.")
        with ExitStack() as held:
            # While it waits it can be canceled; Dagster would put that off until a step begins.
            with raise_execution_interrupts():
                held.enter_context(
                    sole_run(self.home.workspace.paths, instance, run.run_id, waiting=log.info)
                )
            set_aside(self.home.workspace.lake)
            current = _as_chosen(self.home, instance, run)
            _limit_time(instance, run, current.settings.unattended_run_seconds)
            yield _as_tagged(current, run)
            if _has_failed(instance, run):
                set_aside(self.home.workspace.lake, damage)


def workspace_alone(
    workspace: Workspace, reopened: Callable[..., Workspace] | None = None
) -> RunWorkspace:
    """The workspace as a resource of runs that are alone in the home.

    Args:
        workspace: of the home.
        reopened: opens it again once the run is alone, with the settings that were chosen for the
            run; by default it stays as it is but for these.
    """

    def with_chosen(**chosen: Any) -> Workspace:
        settings = Settings.model_validate(workspace.settings.model_dump() | chosen)
        return replace(workspace, settings=settings)

    settings = workspace.settings
    return RunWorkspace(
        extra_models=[ExtraModel(name) for name in settings.extra_models],
        training_epochs=settings.training_epochs,
        seed=settings.seed,
        home=OpenedHome(workspace, reopened or with_chosen),
    )


def _as_chosen(home: OpenedHome, instance: dg.DagsterInstance, run: dg.DagsterRun) -> Workspace:
    """The workspace with what the run's config has chosen, which the run's tags say from now on.

    Raises:
        dg.Failure: a value cannot be used, or nothing would come of it.
    """
    chosen = chosen_in(run, RESOURCE)
    settings = settings_chosen(chosen)
    if chosen:
        instance.add_run_tags(run.run_id, as_tags(chosen, home.reopened().settings))
    try:
        current = home.reopened(**settings)
    except ValidationError as error:
        raise refused(error) from error
    return replace(current, forced=forced_in(instance, run, chosen.get(FORCE) or ()))


def _has_failed(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a step has failed: the run itself counts as failed only once it is over."""
    failures = dg.DagsterEventType.STEP_FAILURE
    return bool(instance.get_records_for_run(run.run_id, of_type=failures, limit=1).records)


def _as_tagged(workspace: Workspace, run: dg.DagsterRun) -> Workspace:
    """The workspace, with what the run's job has chosen in place of a setting."""
    if FULL_EVALUATION_TAG not in run.tags:
        return workspace
    of_full = workspace.settings.model_copy(update={"evaluation": "full"})
    return replace(workspace, settings=of_full)


def _limit_time(instance: dg.DagsterInstance, run: dg.DagsterRun, seconds: int) -> None:
    """Has the daemon end the run once it has worked so long, not counting what it has waited.

    The daemon can only end what it has launched. A limit that whoever launched it chose stays.
    """
    record = instance.get_run_record_by_id(run.run_id)
    chosen = MAX_RUNTIME_SECONDS_TAG in run.tags and _LIMITED_TAG not in run.tags
    launched = QUEUED_TAG in run.tags
    if not seconds or chosen or not launched or record is None or record.start_time is None:
        return
    until = math.ceil(time.time() + seconds - record.start_time)
    tags = {MAX_RUNTIME_SECONDS_TAG: str(until), _LIMITED_TAG: "true"}
    instance.add_run_tags(run.run_id, tags)

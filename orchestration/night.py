"""What a night does: a refit of the champion's recipe, or a judgement of all models, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg

from assets.champion_rows import RIVALS
from assets.datasets import newest_known
from assets.prequential import last_measured
from assets.registry import fitted_until, has_version
from crossmodal.lake import TableDamagedError
from crossmodal.workspace import Workspace
from orchestration.jobs import NIGHT
from orchestration.table_ages import current_at

NIGHT_TAG = "crossmodal/night"
"""Of the runs of the schedule `nightly`, of `crossmodal run --nightly` and of the sensor
`source_changed`: `judge` or `refit`."""

_JUDGE, _REFIT = "judge", "refit"
_JUDGED = (RIVALS, "metrics", "serving_model")
"""Tables of a home whose models were judged."""

WHY_TAG = "crossmodal/why"
"""Of the same runs: why, a sentence."""


@dataclass(frozen=True)
class Night:
    """What to do.

    Attributes:
        judges: whether all models are fitted and judged; otherwise, the champion's recipe learns
            from the new events.
        why: a sentence.
    """

    judges: bool
    why: str

    @property
    def selection(self) -> str | None:
        """A Dagster asset selection; None for everything."""
        return None if self.judges else NIGHT

    @property
    def tags(self) -> dict[str, str]:
        """For the run."""
        return {NIGHT_TAG: _JUDGE if self.judges else _REFIT, WHY_TAG: self.why}

    def request(
        self,
        repository: dg.RepositoryDefinition,
        tags: Mapping[str, str],
        run_key: str | None = None,
    ) -> dg.RunRequest:
        """A run of the job `everything`: a schedule or a sensor starts one job.

        A night that judges nothing is a part of it.

        Args:
            repository: of the definitions.
            tags: of the run, besides its own.
            run_key: that Dagster starts one run for.
        """
        keys = None
        if not self.judges:
            nightly = repository.get_job("nightly").asset_layer
            keys = sorted(nightly.executable_asset_keys)
        return dg.RunRequest(run_key, tags={**tags, **self.tags}, asset_selection=keys)


def plan_night(workspace: Workspace, instance: dg.DagsterInstance, now: datetime) -> Night:
    """Judges all models where that is due, or where what answers ranks worse than popularity.

    What failed last time is not done again at once. So one model that cannot be fitted does not
    keep the champion from learning, and what a refit alone cannot mend is made by a whole run.
    A damaged table is made again by a whole run too.

    Args:
        workspace: of the home.
        instance: of the home.
        now: in UTC.
    """
    judged_at = current_at(workspace, instance, ["champion"]).get("champion")
    if judged_at is None or not all(map(workspace.lake.exists, _JUDGED)):
        return Night(True, "No run has judged the models yet.")
    try:
        due = _due(workspace, judged_at, now)
    except TableDamagedError as error:
        due = Night(True, str(error))
    if not _failed_last(instance, due, judged_at):
        return due
    if due.judges:
        return Night(False, f"{due.why} But the last run to judge them failed: a refit first.")
    return Night(True, "The last run that only fitted the champion's recipe failed.")


def _due(workspace: Workspace, judged_at: datetime, now: datetime) -> Night:
    days = workspace.settings.unattended_judge_days
    if now - judged_at > timedelta(days=days):
        return Night(
            True, f"The models were last judged on {judged_at:%Y-%m-%d}, over {days:g} days ago."
        )
    if not workspace.lake.version(RIVALS).rows:
        return Night(True, "There were too few events to judge the models by.")
    last = last_measured(workspace.lake)
    if last is not None and last.worse and not _was_judged_with(workspace, last.until):
        return Night(True, f"The version that answers is worse than popularity: {last.said}")
    return Night(False, f"The models were judged on {judged_at:%Y-%m-%d}, which still holds.")


def _failed_last(instance: dg.DagsterInstance, night: Night, judged_at: datetime) -> bool:
    """Whether the last night was to do the same and failed, and no run has judged since then."""
    nights = dg.RunsFilter(tags={NIGHT_TAG: [_JUDGE, _REFIT]})
    return any(
        record.dagster_run.status is dg.DagsterRunStatus.FAILURE
        and record.dagster_run.tags[NIGHT_TAG] == night.tags[NIGHT_TAG]
        and record.create_timestamp > judged_at
        for record in instance.get_run_records(nights, limit=1)
    )


def _was_judged_with(workspace: Workspace, event: datetime) -> bool:
    """Whether the last judgement knew an event of this instant: its models could learn from it.

    Where the event is no more, as in another source, the newest that there is counts.
    """
    newest = newest_known(workspace.lake)
    wanted = event if newest is None else min(event, newest)
    judged = workspace.lake.read("metrics")["run_id"].unique()
    known = [fitted_until(workspace, one) for one in judged if has_version(workspace, one)]
    return any(one is not None and one >= wanted for one in known)

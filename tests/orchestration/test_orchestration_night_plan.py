"""What the next night does, by what is known of the nights before it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from small_platform import small_settings

from assets.champion_rows import RIVALS
from assets.prequential import PREQUENTIAL, prequential_evaluation
from assets.registry import open_registry
from crossmodal.workspace import Workspace
from models.assembly import dataset, indexed_events
from models.baselines import Popularity
from orchestration.instance import open_instance
from orchestration.night import Night, plan_night

EVENT = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Home:
    """A home whose models were judged at this moment."""

    workspace: Workspace
    instance: dg.DagsterInstance

    def plan(self, days: int = 1) -> Night:
        return plan_night(self.workspace, self.instance, datetime.now(UTC) + timedelta(days=days))

    def night(self, planned: Night, status: dg.DagsterRunStatus) -> None:
        self.instance.add_run(
            dg.DagsterRun(job_name="everything", status=status, tags=planned.tags)
        )

    def write(self, *rows: pl.DataFrame) -> None:
        self.workspace.lake.write(PREQUENTIAL, pl.concat(rows), {})

    def newest_event(self, at: datetime) -> None:
        self.workspace.lake.write("splits", pl.DataFrame({"event_timestamp": [at]}), {})

    def judge(self, *rivals: str) -> None:
        table = pl.DataFrame({"model": rivals}, schema={"model": pl.String})
        self.workspace.lake.write(RIVALS, table, {})

        @dg.asset(name="champion")
        def judged() -> None: ...

        dg.materialize([judged], instance=self.instance)


def _judged_until(workspace: Workspace, newest: datetime) -> str:
    """A version that was judged, and knew events up to this one."""
    log = indexed_events(
        pl.DataFrame({"user_id": "u", "item_id": "a", "value": 1.0, "event_timestamp": [newest]}),
        ["a"],
        seed=1,
    )
    everything = np.ones(1, dtype=bool)
    return (
        open_registry(workspace)
        .add(
            "popularity-user-temporal",
            Popularity().fit(dataset(log, everything, ~everything, {})),
            metrics=[],
            data_versions={},
            stamp={},
            git_commit="",
            newest_event=newest,
        )
        .version
    )


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    workspace = Workspace(small_settings(tmp_path / "home"))
    workspace.lake.write("serving_model", pl.DataFrame({"version": ["ease-all-events-1"]}), {})
    version = _judged_until(workspace, EVENT)
    workspace.lake.write("metrics", pl.DataFrame({"run_id": [version]}), {})
    with open_instance(workspace.paths) as instance:
        made = Home(workspace, instance)
        made.newest_event(EVENT + timedelta(days=1))
        made.judge("popularity")
        yield made


def measured(users: int, lead: float) -> pl.DataFrame:
    row = {
        "answering_version": "ease-all-events-1",
        "since": EVENT,
        "until": EVENT + timedelta(days=1),
        "events": 2 * users,
        "users": users,
        "difference": lead,
        "ci_low": lead - 0.1,
        "ci_high": lead + 0.1,
    }
    return pl.DataFrame([row], schema_overrides={"since": pl.Datetime("us", "UTC")})


def test_what_failed_is_not_done_again_the_night_after(home: Home) -> None:
    refit, judgement = home.plan(), home.plan(days=8)
    assert not refit.judges and judgement.judges
    home.night(judgement, dg.DagsterRunStatus.FAILURE)
    assert not home.plan(days=9).judges, "one model that fails keeps no champion from learning"
    assert "failed" in home.plan(days=9).why
    home.night(refit, dg.DagsterRunStatus.SUCCESS)
    assert home.plan(days=10).judges, "it is due still"
    home.night(refit, dg.DagsterRunStatus.FAILURE)
    assert home.plan().judges, "a whole run may mend what a refit cannot"
    home.night(judgement, dg.DagsterRunStatus.STARTED)
    assert home.plan(days=9).judges and not home.plan().judges
    home.night(refit, dg.DagsterRunStatus.FAILURE)
    home.judge("popularity")
    assert not home.plan().judges, "somebody has made it good since"


def test_where_too_few_events_could_judge_the_next_night_tries_again(home: Home) -> None:
    home.judge()
    assert home.plan().judges and "too few events" in home.plan().why
    home.judge("popularity")
    assert not home.plan().judges


def test_few_users_change_nothing_about_what_more_have_said(home: Home) -> None:
    rows = [measured(25, -0.2)]
    for more, judges in (
        ([], True),
        ([measured(3, -0.2), measured(0, 0.0)], True),
        ([measured(25, 0.2)], False),
    ):
        rows += more
        home.write(*rows)
        assert home.plan().judges is judges


def test_a_bad_verdict_of_events_that_are_no_more_asks_for_one_judgement(home: Home) -> None:
    home.write(measured(25, -0.2))
    home.newest_event(EVENT + timedelta(days=1))
    assert home.plan().judges
    # Another source, or the newest event was undone: no model can learn from it any more.
    home.newest_event(EVENT)
    assert not home.plan().judges


def test_the_items_that_new_events_are_about_are_known_before_they_judge() -> None:
    (before,) = prequential_evaluation.asset_deps.values()
    assert {dg.AssetKey("items"), dg.AssetKey("interactions")} <= before

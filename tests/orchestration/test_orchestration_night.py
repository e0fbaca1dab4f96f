"""A night: the new events judge what answers, then its recipe learns from them; no model else."""

import os
from contextlib import closing
from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl
import pytest
from small_platform import chosen_by_variables
from typer.testing import CliRunner

from assets.drift_table import newest_run
from assets.prequential import PREQUENTIAL
from assets.registry import open_registry
from crossmodal.event_log import EventLog, LoggedEvent
from crossmodal.pseudonyms import pseudonym
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from orchestration.cli import app
from orchestration.definitions import build_definitions
from orchestration.instance import open_instance
from orchestration.night import NIGHT_TAG, WHY_TAG, Night, plan_night
from orchestration.run import RunFailedError, run_pipeline

pytestmark = pytest.mark.slow
_USERS = 25


def report_one_day(workspace: Workspace) -> datetime:
    """Reports an event per user, all after the newest one of the lake; returns the newest."""
    items = workspace.lake.read("items")["item_id"]
    newest = workspace.lake.scan_partitions("interactions").select(pl.col("event_timestamp").max())
    start = newest.collect().item()
    instants = [start + timedelta(minutes=1 + number) for number in range(_USERS)]
    events = [
        LoggedEvent(
            f"night-{number}",
            pseudonym(f"guest {number}", b"a key for tests"),
            items[number],
            "like",
            *3 * [None],
            round(instant.timestamp() * 1_000_000),
        )
        for number, instant in enumerate(instants)
    ]
    with closing(EventLog(workspace.paths.event_log)) as log:
        log.append(events).result()
    return instants[-1]


def tick(settings: Settings) -> dg.RunRequest:
    """What the schedule asks for now."""
    with open_instance(Workspace(settings).paths) as instance:
        repository = build_definitions(Workspace(settings)).get_repository_def()
        with dg.build_schedule_context(instance, repository_def=repository) as context:
            (request,) = (
                repository.get_schedule_def("nightly").evaluate_tick(context).run_requests or ()
            )
    return request


def night(settings: Settings) -> dict[str, dict[str, object]]:
    """Runs what the schedule asks for; the figures of each asset that was made."""
    request = tick(settings)
    with open_instance(Workspace(settings).paths) as instance:
        job = build_definitions(Workspace(settings)).resolve_job_def("everything")
        done = job.execute_in_process(
            instance=instance, asset_selection=request.asset_selection, tags=dict(request.tags)
        )
    assert done.success
    figures = {
        event.asset_key.to_user_string(): {
            name: value.value for name, value in event.materialization.metadata.items()
        }
        for event in done.get_asset_materialization_events()
    }
    return {name: one for name, one in figures.items() if not one["kept"]}


def nights(settings: Settings) -> list[str]:
    """What the nights so far were to do, by the tags of their runs."""
    with open_instance(Workspace(settings).paths) as instance:
        tags = [record.dagster_run.tags for record in instance.get_run_records()]
    return [of_run[NIGHT_TAG] for of_run in tags if NIGHT_TAG in of_run]


def test_a_night_judges_what_answers_and_then_only_refits_it(
    copied: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in chosen_by_variables().items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("CROSSMODAL_DRIFT_LEAST_USERS", "20")
    copied = copied.model_copy(update={"drift_least_users": 20.0})
    workspace = Workspace(copied)
    lake, registry = workspace.lake, open_registry(workspace)
    before = registry.champion()
    assert before is not None and lake.read(PREQUENTIAL).is_empty()
    fitted_up_to = datetime.fromisoformat(registry.version(before).newest_event)
    newest = report_one_day(workspace)

    made = night(copied)
    assert {"interactions", PREQUENTIAL, "serving_model", "recommendations"} <= set(made)
    assert not [name for name in made if name.startswith(("model_", "metrics", "champion"))]
    row = lake.read(PREQUENTIAL).row(0, named=True)
    assert row["answering_version"] == before and row["since"] == fitted_up_to < row["until"]
    assert {"drift", "click_through"} <= set(made)
    compared = newest_run(lake.read("drift"))
    assert compared["since"].unique().to_list() == [fitted_up_to], "what answers had learned so far"
    assert compared["until"].unique().to_list() == [newest]
    assert row["until"] == newest and (row["events"], row["users"]) == (_USERS, _USERS)
    assert made[PREQUENTIAL]["ndcg_at_10"] == row["ndcg_10"]
    answering = lake.read("serving_model").row(0, named=True)
    assert registry.champion() == answering["version"] and not answering["fault"]
    if answering["refit"]:
        now = registry.version(answering["version"])
        assert datetime.fromisoformat(now.newest_event) == newest

    for judging in ("metrics", "modality_ablation", "modality_robustness", "champion"):
        with pytest.raises(RunFailedError, match="was fitted to other splits"):
            run_pipeline(copied, only=f"key:{judging}")

    again = CliRunner().invoke(app, ["run", "--nightly"], env={"CROSSMODAL_HOME": str(copied.home)})
    assert again.exit_code == 0, again.output
    assert "0 assets made" in again.output and "0 fitted" in again.output, "nothing is new"
    assert lake.read(PREQUENTIAL).height == 1

    assert nights(copied) == ["refit", "refit", "refit"], "one by the schedule, two by the command"
    assert tick(copied).tags[NIGHT_TAG] == "refit"
    soon, later = (datetime.now(UTC) + timedelta(days=days) for days in (6, 8))
    with open_instance(workspace.paths) as instance:
        assert not plan_night(workspace, instance, soon).judges
        assert "over 7 days ago" in plan_night(workspace, instance, later).why
    worse = lake.read(PREQUENTIAL).with_columns(difference=-0.2, ci_low=-0.3, ci_high=-0.1)
    lake.write(PREQUENTIAL, worse, lake.version(PREQUENTIAL).stamp)
    asked = tick(copied)
    assert asked.asset_selection is None and asked.tags[NIGHT_TAG] == "judge"
    assert "worse than popularity" in asked.tags[WHY_TAG] and before in asked.tags[WHY_TAG]
    judged = worse.with_columns(until=pl.lit(fitted_up_to, worse.schema["until"]))
    lake.write(PREQUENTIAL, judged, lake.version(PREQUENTIAL).stamp)
    assert tick(copied).tags[NIGHT_TAG] == "refit", "the last judgement knew these events"
    few = worse.with_columns(users=19)
    lake.write(PREQUENTIAL, few.cast({"users": pl.Int64}), lake.version(PREQUENTIAL).stamp)
    assert tick(copied).tags[NIGHT_TAG] == "refit", "too few users to say so"
    with pytest.raises(RunFailedError):
        run_pipeline(copied, only="key:metrics", tags=Night(judges=False, why="").tags)
    assert "only fitted the champion's recipe failed" in tick(copied).tags[WHY_TAG]
    os.truncate(lake.path(PREQUENTIAL), 40)
    assert tick(copied).tags[NIGHT_TAG] == "judge", "a whole run makes a damaged table again"

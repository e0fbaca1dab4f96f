"""Runs that failed: which of them are problems, and until when."""

import dagster as dg
from dagster._core.run_coordinator.base import SubmitRunContext
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, RETRY_NUMBER_TAG
from health_homes import DATED, FAILED, HOURS, asset, keys, make, now, problem

from crossmodal.workspace import Workspace
from orchestration.finished import remember_finished
from orchestration.health.gather import health_of
from orchestration.instance import CLI_RUN_TAG, open_instance, sole_run
from orchestration.run_queue import QUEUED_TAG


def test_a_failed_run_is_open_until_its_work_was_done(workspace: Workspace) -> None:
    with open_instance(workspace.paths) as instance:
        failed = make(instance, "items", "champion", broken="champion")
        found = problem(health_of(workspace, instance), FAILED)
        assert "champion failed: " in found.what and "no column `rating`" in found.what
        make(instance, "items")
        assert keys(health_of(workspace, instance)) == [FAILED]
        make(instance, "champion")
        made_good = health_of(workspace, instance)
    assert made_good.well
    failure = made_good.facts.runs.last_failure
    assert failure is not None and failure.run_id == failed.run_id


def test_failed_runs_of_two_jobs_are_two_problems(workspace: Workspace) -> None:
    with open_instance(workspace.paths) as instance:
        make(instance, "items", broken="items")
        make(instance, "champion", broken="champion")
        everything = dg.define_asset_job("everything", "*")
        definitions = dg.Definitions([asset("recommendations", broken=True)], jobs=[everything])
        job = definitions.resolve_job_def("everything")
        job.execute_in_process(instance=instance, raise_on_error=False)
        health = health_of(workspace, instance)
        assert keys(health) == ["failed_run:everything", FAILED]
        assert "champion failed: " in problem(health, FAILED).what
        make(instance, "recommendations")
        assert keys(health_of(workspace, instance)) == [FAILED]


def test_a_check_that_stopped_a_run_says_what_it_found(workspace: Workspace) -> None:
    @dg.asset_check(asset="champion", blocking=True)
    def not_beaten() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description="ease is better.")

    with open_instance(workspace.paths) as instance:
        dg.materialize([asset("champion"), not_beaten], instance=instance, raise_on_error=False)
        found = problem(health_of(workspace, instance), FAILED)
        assert "champion failed its check not_beaten: ease is better." in found.what
        make(instance, "champion")
        assert health_of(workspace, instance).well


def test_a_whole_run_makes_good_whatever_had_failed(workspace: Workspace) -> None:
    with open_instance(workspace.paths) as instance:
        make(instance, "of_an_older_version", broken="of_an_older_version")
        assert not health_of(workspace, instance).well
        remember_finished(workspace, "choices", DATED)
        assert health_of(workspace, instance).well


def test_a_run_that_was_killed_is_a_failed_one(workspace: Workspace) -> None:
    with open_instance(workspace.paths) as instance:
        job = dg.define_asset_job("everything", "*")
        job_def = dg.Definitions([asset("champion")], jobs=[job]).resolve_job_def("everything")
        run = instance.create_run_for_job(job_def, tags={CLI_RUN_TAG: "true"})
        instance.report_run_canceling(run)
        with sole_run(workspace.paths, instance):
            pass
        health = health_of(workspace, instance)
    assert "The process of this run was killed." in problem(health, "failed_run:everything").what


def test_a_killed_run_is_no_problem_as_long_as_the_daemon_tries_it_again(
    workspace: Workspace,
) -> None:
    with open_instance(workspace.paths) as instance:
        make(instance, "champion")
        killed, again = (
            dg.DagsterRun(
                job_name="everything", status=dg.DagsterRunStatus.STARTED, tags={QUEUED_TAG: "true"}
            )
            for _ in range(2)
        )
        for run in (killed, again):
            instance.add_run(run)
        instance.report_run_failed(killed)
        assert health_of(workspace, instance).well
        assert not health_of(workspace, instance, now() + HOURS).well
        instance.add_run_tags(killed.run_id, {AUTO_RETRY_RUN_ID_TAG: again.run_id})
        assert health_of(workspace, instance, now() + HOURS).well
        instance.report_run_failed(again)
        third = dg.DagsterRun(job_name="everything", status=dg.DagsterRunStatus.STARTED)
        instance.add_run(third)
        instance.add_run_tags(again.run_id, {AUTO_RETRY_RUN_ID_TAG: third.run_id})
        assert health_of(workspace, instance, now() + HOURS).well, "the third try works"
        instance.report_run_canceled(third)
        problem(health_of(workspace, instance, now() + HOURS), "failed_run:everything")


def test_a_run_that_worked_for_too_long_has_failed_and_is_not_tried_again(
    workspace: Workspace,
) -> None:
    with open_instance(workspace.paths) as instance:
        make(instance, "champion")
        ended = dg.DagsterRun(
            job_name="everything", status=dg.DagsterRunStatus.STARTED, tags={QUEUED_TAG: "true"}
        )
        instance.add_run(ended)
        # As Dagster's daemon ends a run, and then tries it again.
        instance.report_run_canceling(ended)
        instance.report_run_failed(ended, "Exceeded maximum runtime of 60 seconds.")
        again = dg.DagsterRun(
            job_name="everything",
            tags={RETRY_NUMBER_TAG: "1"},
            root_run_id=ended.run_id,
            parent_run_id=ended.run_id,
        )
        instance.add_run(again)
        instance.add_run_tags(ended.run_id, {AUTO_RETRY_RUN_ID_TAG: again.run_id})
        instance.run_coordinator.submit_run(SubmitRunContext(again, workspace=None))
        known = instance.get_run_by_id(again.run_id)
        assert known is not None and known.status is dg.DagsterRunStatus.CANCELED
        failed = problem(health_of(workspace, instance), "failed_run:everything")
        assert "Exceeded maximum runtime of 60 seconds." in failed.what

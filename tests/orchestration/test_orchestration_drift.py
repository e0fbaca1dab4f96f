"""Drift in a home: its table, checks, status and command."""

import json

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner

from assets.drift import drift
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from orchestration.checks.of_drift import judged
from orchestration.cli import app
from orchestration.definitions import build_definitions
from orchestration.health.gather import health_of

pytestmark = pytest.mark.slow


def measure(workspace: Workspace) -> bool:
    """Measures drift; says whether the table was made and not kept."""
    done = dg.materialize([drift], resources={"workspace": workspace})
    (event,) = done.get_asset_materialization_events()
    return not event.materialization.metadata["kept"].value


def test_drift_is_measured_by_a_run_and_named_once_there_is_some(copied: Settings) -> None:
    settings = copied.model_copy(update={"drift_least_users": 20.0})
    workspace = Workspace(settings)
    first = workspace.lake.read("drift")
    assert set(first["measure"]) == {
        "psi",
        "wasserstein",
        "mean_shift",
        "near_duplicates",
        "missing",
    }, "nobody has reported what was shown"
    assert first["limit"].is_null().all() and not first["drifted"].any(), "60 users are few"
    # The first has another setting.
    assert measure(workspace) and not measure(workspace)
    steady = workspace.lake.read("drift")
    assert steady["until"].n_unique() == 1 and not steady["drifted"].any()
    assert not any(problem.key == "drift" for problem in health_of(workspace).problems)

    # Sixty users are too few for any difference to be beyond chance.
    value = (pl.col("measure") == "psi") & (pl.col("subject") == "value")
    found = steady.with_columns(limit=pl.lit(0.2), drifted=value)
    workspace.lake.write("drift", found, workspace.lake.version("drift").stamp)
    check = judged(found, "psi")
    assert not check.passed and check.severity is dg.AssetCheckSeverity.WARN
    assert check.description is not None and "psi of value" in check.description
    assert check.metadata["value"].value == found.filter("drifted")["value"].item()
    assert judged(found, "missing").passed
    unsaid = judged(found, "fallback")
    assert unsaid.passed and unsaid.description == "There is nothing to compare, before or since."
    (problem,) = [one for one in health_of(workspace).problems if one.key == "drift"]
    assert problem.command == "crossmodal drift" and "psi of value" in problem.what
    home = {"CROSSMODAL_HOME": str(settings.home), "CROSSMODAL_UNATTENDED_FREE_GB": "0"}
    stated = CliRunner().invoke(app, ["status"], env=home)
    assert stated.exit_code == 0, "a change of taste is no fault"
    assert stated.output.startswith("Everything works. Newer events differ")
    assert json.loads(CliRunner().invoke(app, ["status", "--json"], env=home).output)["well"]
    shown = CliRunner().invoke(app, ["drift"], env=home)
    assert shown.exit_code == 0 and "| value " in shown.output
    assert shown.output.startswith("Drifted: psi of value")
    assert (workspace.paths.pictures / "drift.png").is_file()


def test_what_goes_wrong_in_measuring_drift_keeps_no_version_from_answering(
    copied: Settings,
) -> None:
    workspace = Workspace(copied.model_copy(update={"drift_least_users": 20.0}))
    before = workspace.lake.read("drift")
    picture = workspace.paths.pictures / "drift.png"
    picture.unlink()
    picture.mkdir()

    job = build_definitions(workspace).resolve_job_def("everything")
    done = job.execute_in_process(
        asset_selection=[dg.AssetKey("drift"), dg.AssetKey("serving_model")]
    )
    assert done.success
    made = {event.asset_key.to_user_string() for event in done.get_asset_materialization_events()}
    assert made == {"drift", "serving_model"}
    failed = [check.check_name for check in done.get_asset_check_evaluations() if not check.passed]
    assert failed == ["measured"]
    assert workspace.lake.read("drift").equals(before), "earlier runs are not forgotten"
    (problem,) = [one for one in health_of(workspace).problems if one.key == "unmeasured"]
    assert problem.fault and "drift: IsADirectoryError" in problem.what

    picture.rmdir()
    assert measure(workspace), "the next run tries again"
    assert picture.is_file()
    assert not any(problem.key == "unmeasured" for problem in health_of(workspace).problems)

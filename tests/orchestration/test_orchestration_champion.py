"""Which model of a run is champion, what says so, and which version of it answers."""

import json
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from lightgbm.basic import LightGBMError
from small_platform import small_settings

from assets.champion import judged_champion
from assets.champion_rows import RIVALS
from assets.datasets import all_events_data, read_log
from assets.registry import open_registry
from assets.serving_model import ALL_EVENTS
from assets.training import fitted_versions
from crossmodal.lake import Lake
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.catalogue import CATALOGUE
from models.protocol import Refittable
from models.splits.names import USER_TEMPORAL
from orchestration.checks import champion_not_beaten, refit_is_sound
from orchestration.doctor import examine
from orchestration.instance import open_instance
from orchestration.report import collect_report, render_text, write_html
from orchestration.run import RunSummary, run_pipeline

Finished = tuple[Settings, RunSummary]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lake(finished: Finished) -> Lake:
    """The tables of a finished run."""
    return Workspace(finished[0]).lake


def judged_on(lake: Lake, part: str) -> dict[str, float]:
    """Mean NDCG@10 of each model on a part of the split that champions are chosen on."""
    rows = lake.read("metrics_per_user").filter(
        (pl.col("split") == USER_TEMPORAL) & (pl.col("part") == part)
    )
    return dict(rows.group_by("model").agg(pl.col("ndcg_10").mean()).iter_rows())


def with_figures(settings: Settings, part: str, model: str, value: float) -> None:
    """Gives every user this NDCG@10 of the model, as if the run had measured it."""
    lake = Workspace(settings).lake
    chosen = (
        (pl.col("split") == USER_TEMPORAL) & (pl.col("part") == part) & (pl.col("model") == model)
    )
    figures = lake.read("metrics_per_user").with_columns(
        ndcg_10=pl.when(chosen).then(value).otherwise("ndcg_10")
    )
    lake.write("metrics_per_user", figures, lake.version("metrics_per_user").stamp)
    # Without it the decision is not whole, and is made again.
    lake.path(RIVALS).unlink(missing_ok=True)


def test_every_model_that_chance_is_not_is_a_candidate(lake: Lake) -> None:
    fitted = {one.name for one in CATALOGUE if USER_TEMPORAL in fitted_versions(lake, one.name)}
    validated = judged_on(lake, "validation")
    assert set(validated) == fitted == set(judged_on(lake, "test"))
    candidates = {one.name for one in CATALOGUE if one.candidate} & fitted
    assert candidates == fitted - {"random"}
    best = max(candidates, key=lambda name: (validated[name], name))
    row = lake.read("champion").row(0, named=True)
    assert row["candidate"] == fitted_versions(lake, best)[USER_TEMPORAL] == row["version"]
    assert row["reason"].startswith(f"{best} has the best validation NDCG@10 (")


def test_the_champion_stands_beside_every_other_model(lake: Lake) -> None:
    named = lake.read("champion")["version"].item()
    tested = judged_on(lake, "test")
    own = next(name for name in tested if fitted_versions(lake, name).get(USER_TEMPORAL) == named)
    rivals = lake.read(RIVALS)
    assert set(rivals["model"]) == set(tested) - {own}
    assert (rivals["champion"] == named).all()
    expected = [tested[own] - tested[name] for name in rivals["model"]]
    np.testing.assert_allclose(rivals["difference"].to_numpy(), expected, atol=1e-9)
    least = rivals.sort("p").row(0, named=True)
    assert least["p_holm"] == pytest.approx(min(1.0, least["p"] * rivals.height))


def test_its_quality_is_a_number_of_every_materialization_kept_or_made(copied: Settings) -> None:
    workspace = Workspace(copied)
    paths, lake = workspace.paths, workspace.lake
    metrics = lake.read("metrics").filter(
        run_id=lake.read("champion")["version"].item(), split=USER_TEMPORAL, segment="all", k=10
    )
    value = dict(metrics.select("metric", "value").iter_rows())
    lake.path("champion").unlink()
    for _ in range(2):
        run_pipeline(copied, only="key:champion or key:rejects")
    with open_instance(paths) as instance:
        shown = {
            asset: [
                {name: value.value for name, value in record.asset_materialization.metadata.items()}
                for record in instance.fetch_materializations(dg.AssetKey(asset), limit=2).records
            ]
            for asset in ("champion", "rejects")
        }
    assert [one["kept"] for one in shown["champion"]] == [True, False]
    for one in shown["champion"]:
        assert one["ndcg_at_10"] == pytest.approx(value["ndcg"])
        assert one["coverage_at_10"] == pytest.approx(value["coverage"])
        # Keeping a table takes no time, which would be a point of the plot all the same.
        assert ("seconds" in one) is not one["kept"]
    assert [one["share"] for one in shown["rejects"]] == [0.0, 0.0]


def test_a_champion_that_is_beaten_on_the_newest_events_ends_the_run_with_a_failed_check(
    copied: Settings,
) -> None:
    workspace = Workspace(copied)
    named = workspace.lake.read("champion")["version"].item()
    with_figures(copied, "test", "random", 1.0)
    summary = run_pipeline(copied, only="champion+")
    (failed,) = summary.failed_checks
    assert "not_beaten" in failed and named in failed
    assert "random is better by +" in failed and "p = " in failed and "[+" in failed
    finding = champion_not_beaten(workspace)
    assert not finding.passed
    row = workspace.lake.read("champion").row(0, named=True)
    assert row["version"] == named, "it is validation that chooses"
    assert "on the test events random is better" in row["reason"]
    assert (workspace.paths.models / "champion").is_file()


def test_what_wins_on_validation_takes_over_whatever_its_family(copied: Settings) -> None:
    workspace = Workspace(copied)
    before = workspace.lake.read("champion")["version"].item()
    other = "item_knn" if not before.startswith("item_knn") else "ease"
    for part in ("validation", "test"):
        with_figures(copied, part, other, 1.0)
    summary = run_pipeline(copied, only="champion+")
    row = workspace.lake.read("champion").row(0, named=True)
    assert row["before"] == before and row["promoted"]
    assert row["version"] == fitted_versions(workspace.lake, other)[USER_TEMPORAL]
    assert f"{other} has the best validation NDCG@10 (1.0000; next " in row["reason"]
    assert "no model is better beyond chance on the test events" in row["reason"]
    assert {"champion", "serving_model"} <= set(summary.made)
    named = (workspace.paths.models / "champion").read_text().strip()
    assert named.startswith(f"{other}-{ALL_EVENTS}-")
    assert judged_champion(workspace) == row["version"]


def test_a_worse_candidate_leaves_the_champion_and_its_reasons(copied: Settings) -> None:
    workspace = Workspace(copied)
    before = workspace.lake.read("champion")["version"].item()
    answering = (workspace.paths.models / "champion").read_text()
    other = "item_knn" if not before.startswith("item_knn") else "ease"
    with_figures(copied, "validation", other, 1.0)
    with_figures(copied, "test", other, 0.0)
    run_pipeline(copied, only="champion+")
    row = workspace.lake.read("champion").row(0, named=True)
    assert row["version"] == before and not row["promoted"]
    assert row["candidate"] == fitted_versions(workspace.lake, other)[USER_TEMPORAL]
    assert "Refused" in row["reason"] and f"{before} stays" in row["reason"]
    assert (workspace.paths.models / "champion").read_text() == answering


def test_what_answers_was_fitted_to_every_event(finished: Finished, lake: Lake) -> None:
    workspace = Workspace(finished[0])
    registry = open_registry(workspace)
    answering, judged = registry.champion(), lake.read("champion")["version"].item()
    assert answering is not None and answering != judged
    version = registry.version(answering)
    family = registry.version(judged).name.removesuffix(f"-{USER_TEMPORAL}")
    assert answering.startswith(f"{family}-{ALL_EVENTS}-")
    assert version.judged_by == judged == judged_champion(workspace)
    data = all_events_data(lake)
    log, _ = read_log(lake)
    assert len(data.train) == len(log.events) == lake.version("splits").rows
    assert not len(data.validation) and len(data.context) == len(data.train)
    again = registry.load(judged)
    assert isinstance(again, Refittable)
    users = data.histories()
    refit = again.refitted(data).score(users)
    np.testing.assert_allclose(refit, registry.load(answering).score(users), atol=1e-4)
    assert not np.allclose(refit, again.score(users), atol=1e-4)
    assert set(lake.read("recommendations")["model_version"]) == {answering}
    assert refit_is_sound(workspace).passed


def test_an_unsound_refit_does_not_answer_and_says_so(copied: Settings) -> None:
    settings = small_settings(copied.home, refit_list_seconds=1e-9)
    workspace = Workspace(settings)
    judged = workspace.lake.read("champion")["version"].item()
    summary = run_pipeline(settings, only="serving_model+")
    (failed,) = summary.failed_checks
    assert "refit_is_sound" in failed and "a list takes" in failed
    assert (workspace.paths.models / "champion").read_text().strip() == judged
    assert set(workspace.lake.read("recommendations")["model_version"]) == {judged}
    row = workspace.lake.read("serving_model").row(0, named=True)
    assert row["version"] == row["judged_by"] == judged != row["refit"]
    assert run_pipeline(copied, only="serving_model+").failed_checks == ()
    assert (workspace.paths.models / "champion").read_text().strip() == row["refit"]


def test_where_the_refit_fails_the_judged_version_answers_and_it_is_said(
    copied: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(copied)
    judged = workspace.lake.read("champion")["version"].item()

    def refused(*_: object) -> None:
        raise LightGBMError("Ranking tasks require query information")

    monkeypatch.setattr(type(open_registry(workspace).load(judged)), "refitted", refused)
    summary = run_pipeline(small_settings(copied.home, refit_overlap=0.01), only="serving_model+")
    (failed,) = summary.failed_checks
    assert "refit_is_sound" in failed and "require query information" in failed
    assert (workspace.paths.models / "champion").read_text().strip() == judged
    assert workspace.lake.read("serving_model")["refit"].item() == ""


def test_report_and_doctor_name_what_answers_and_what_speaks_for_it(
    finished: Finished, lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, _ = finished
    collected = json.loads(json.dumps(collect_report(settings)))
    judged = lake.read("champion")["version"].item()
    assert collected["model_version"] == open_registry(Workspace(settings)).champion()
    assert collected["judged_version"] == judged
    reason = collected["champion"]["reason"]
    assert "has the best validation NDCG@10" in reason
    assert {row["model"] for row in collected["champion"]["rivals"]} >= {"popularity", "random"}
    render_text(collected)
    shown = " ".join(capsys.readouterr().out.split())
    assert reason in shown and collected["model_version"] in shown
    write_html(settings, collected, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "has the best validation NDCG@10" in page and judged in page
    found = examine(settings)
    assert found["champion"] == collected["model_version"]
    assert found["champion_judged_by"] == judged

"""Changing the champion by hand: what is shown, kept and refused, and what a later run does."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from test_orchestration_champion import with_figures
from typer.testing import CliRunner, Result

from assets.quality import champion_figures
from assets.registry import open_promotions, open_registry
from assets.training import fitted_versions, model_table
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.registry import ModelRegistry, ModelVersion
from models.splits.names import USER_TEMPORAL
from orchestration.checks.of_models import champion_not_below_popularity
from orchestration.cli import app
from orchestration.run import run_pipeline

pytestmark = pytest.mark.slow


@pytest.fixture
def home(copied: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(copied.home)
    monkeypatch.setenv("CROSSMODAL_HOME", str(copied.home))
    monkeypatch.setenv("CROSSMODAL_ID_KEY", "a key for tests")
    return copied


@pytest.fixture
def registry(home: Settings) -> ModelRegistry:
    return open_registry(Workspace(home))


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def done(*arguments: str) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: str) -> str:
    """The one sentence of a command that refuses."""
    result = call(*arguments)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return result.output


def named(registry: ModelRegistry, name: str) -> ModelVersion:
    return next(one for one in registry.versions() if one.name == f"{name}-{USER_TEMPORAL}")


def another(registry: ModelRegistry) -> str:
    """A version of a model that is not the champion's."""
    champion = registry.champion() or ""
    return named(registry, "ease" if not champion.startswith("ease") else "item_knn").version


def test_the_gates_champion_is_shown_with_what_it_was_judged_by(registry: ModelRegistry) -> None:
    shown = done("champion")
    champion = registry.champion() or ""
    judged = registry.version(champion).judged_by
    assert f"Champion: {champion}\n" in shown and "By: gate\n" in shown
    assert "has the best validation NDCG@10" in shown
    assert f"Judged by: {judged}: NDCG@10 0." in shown and f"on {USER_TEMPORAL}" in shown
    assert "Can be returned to: none" in shown
    assert "no former champion" in refused("rollback", "--reason", "odd lists")


def test_a_rollback_passes_over_a_former_champion_that_is_gone(registry: ModelRegistry) -> None:
    before, other = registry.champion() or "", another(registry)
    done("promote", other, "--reason", "to try it")
    done("promote", named(registry, "popularity").version, "--reason", "to try it too")
    shutil.rmtree(registry.root / other)
    assert f"Can be returned to: {before}" in done("champion")
    done("rollback", "--reason", "neither was better")
    assert registry.champion() == before


def test_a_hand_promotes_and_returns_and_the_history_says_why(registry: ModelRegistry) -> None:
    before, other = registry.champion() or "", another(registry)
    said = done("promote", other, "--reason", "odd\n lists")
    assert f"{other} is champion in place of {before}" in said
    assert registry.champion() == other
    assert f"Since that run, {other} was put in charge by hand" in " ".join(done("report").split())
    shown = done("champion")
    assert "By: hand\n" in shown and "Reason: odd lists\n" in shown
    assert f"Can be returned to: {before}" in shown
    assert "is the champion already" in refused("promote", other, "--reason", "again")
    done("rollback", "--reason", "it was no better")
    assert registry.champion() == before
    lines = done("champion", "--history").splitlines()
    assert len(lines) == 3
    assert f"hand (rollback)  {before}  it was no better" in lines[0]
    assert f"hand  {other}  odd lists" in lines[1]
    assert f"gate  {before}  " in lines[2]
    found = json.loads(done("champion", "--json"))
    assert found["version"] == before and found["kind"] == "rollback" and found["former"] == []
    done("rollback", "--to", other, "--reason", "it was better after all")
    assert registry.champion() == other


def test_a_reason_is_asked_for(registry: ModelRegistry) -> None:
    other = another(registry)
    for call_of in (["promote", other], ["rollback"]):
        assert call(*call_of).exit_code == 2
        assert call(*call_of, "--reason", " ").exit_code == 2


def test_what_cannot_answer_is_refused_and_the_champion_stays(
    home: Settings, registry: ModelRegistry
) -> None:
    champion, other = registry.champion(), another(registry)
    assert "holds no version 'nothing'" in refused("promote", "nothing", "--reason", "r")
    assert "holds no version '../models'" in refused("promote", "../models", "--reason", "r")
    assert "never was champion" in refused("rollback", "--to", other, "--reason", "r")
    for file in ("items.json", "config.json", "weights.safetensors"):
        version = damaged_copy(registry, other, file)
        (registry.root / version / file).unlink()
        assert f"lacks {file}" in refused("promote", version, "--reason", "r")
    version = damaged_copy(registry, other, "weights")
    (registry.root / version / "weights.safetensors").write_bytes(b"no model")
    assert "not what was saved" in refused("promote", version, "--reason", "r")
    version = damaged_copy(registry, other, "items")
    (registry.root / version / "items.json").write_text('["one"]')
    assert "cannot answer" in refused("promote", version, "--reason", "r")
    version = damaged_copy(registry, other, "manifest")
    (registry.root / version / "manifest.json").write_text("{")
    assert "manifest" in refused("promote", version, "--reason", "r")
    assert registry.champion() == champion


def test_a_version_of_other_item_vectors_is_refused(registry: ModelRegistry) -> None:
    other = another(registry)
    assert set(registry.version(other).encoders) >= {"text", "image", "audio"}
    changed = damaged_copy(registry, other, "encoder", encoders={"image": "another"})
    said = refused("promote", changed, "--reason", "r")
    assert "vectors that another encoder made of image" in said
    older = damaged_copy(registry, other, "older", encoders={}, data_versions={})
    assert "does not say which encoders" in refused("promote", older, "--reason", "r")
    same = damaged_copy(registry, other, "same", encoders={})
    done("promote", same, "--reason", "its vectors are those of now")


def damaged_copy(registry: ModelRegistry, version: str, suffix: str, **changes: object) -> str:
    """A copy of a version under another name, with changes to its manifest."""
    made = f"{version}-{suffix}"
    shutil.copytree(registry.root / version, registry.root / made)
    manifest = registry.root / made / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "version": made, **changes}))
    return made


def test_the_next_run_leaves_what_a_hand_has_decided(
    home: Settings, registry: ModelRegistry
) -> None:
    workspace = Workspace(home)
    best, other = registry.champion() or "", another(registry)
    candidate = registry.version(best).judged_by
    done("promote", other, "--reason", "odd lists")
    run_pipeline(home)
    assert registry.champion() == other
    row = workspace.lake.read("champion").row(0, named=True)
    assert (row["version"], row["candidate"], row["promoted"]) == (other, candidate, False)
    assert f"Refused: {other} was put in charge by hand on " in row["reason"]
    assert f"(odd lists), and {candidate} was made before that" in row["reason"]
    answering = workspace.lake.read("serving_model").row(0, named=True)
    assert answering["version"] == other and "by hand" in answering["reason"]
    assert set(workspace.lake.read("recommendations")["model_version"]) == {other}
    assert run_pipeline(home).made == ()
    assert registry.champion() == other
    assert len(open_promotions(workspace).history()) == 2


def test_what_a_hand_has_chosen_and_nobody_has_judged_has_no_figures(
    home: Settings, registry: ModelRegistry
) -> None:
    workspace, other = Workspace(home), another(registry)
    done("promote", other, "--reason", "odd lists")
    nothing_can_be_judged(workspace)
    run_pipeline(home, only="champion")
    row = workspace.lake.read("champion").row(0, named=True)
    assert row["version"] == other and "No model can be judged: too few" in row["reason"]
    figures = [row[f"over_popularity{which}"] for which in ("", "_low", "_high")]
    assert figures == [None, None, None]
    assert workspace.lake.read("champion").schema["over_popularity_high"] == pl.Float64
    found = champion_not_below_popularity(workspace)
    assert found.passed and f"{other} was not judged" in str(found.description)
    assert "ndcg_at_10" not in champion_figures(workspace)


def test_the_popular_list_is_no_better_than_itself(home: Settings, registry: ModelRegistry) -> None:
    workspace, popular = Workspace(home), named(registry, "popularity").version
    done("promote", popular, "--reason", "to be sure")
    nothing_can_be_judged(workspace)
    run_pipeline(home, only="champion")
    row = workspace.lake.read("champion").row(0, named=True)
    assert (row["version"], row["over_popularity"], row["over_popularity_high"]) == (popular, 0, 0)
    assert "+0.0000" in str(champion_not_below_popularity(workspace).description)


def nothing_can_be_judged(workspace: Workspace) -> None:
    """The splits say so from now on."""
    lake = workspace.lake
    splits, version = lake.read("splits"), lake.version("splits")
    lake.write("splits", splits, version.stamp, **{**version.summary, "too_few": "too few"})


def test_a_version_made_after_a_hands_decision_can_earn_its_place(
    home: Settings, registry: ModelRegistry
) -> None:
    workspace, best = Workspace(home), registry.champion() or ""
    other = another(registry)
    name = "transition"
    done("promote", other, "--reason", "odd lists")
    new = fitted_later(workspace, name)
    for part in ("validation", "test"):
        with_figures(home, part, name, 1.0)
    run_pipeline(home, only="champion+")
    row = workspace.lake.read("champion").row(0, named=True)
    assert (row["version"], row["before"], row["promoted"]) == (new, other, True)
    assert f"{new} was made after {other} was put in charge by hand" in row["reason"]
    current = open_promotions(workspace).current()
    assert current is not None and (current.by, current.judged_by) == ("gate", new)
    assert registry.champion() == current.version
    assert [entry.version for entry in open_promotions(workspace).history()][:2] == [best, other]


def test_a_hand_that_decides_while_a_run_works_is_not_overruled_by_it(
    home: Settings, registry: ModelRegistry
) -> None:
    workspace, other = Workspace(home), another(registry)
    for part in ("validation", "test"):
        with_figures(home, part, "transition", 1.0)
    run_pipeline(home, only="champion")
    chosen = fitted_versions(workspace.lake, "transition")[USER_TEMPORAL]
    assert workspace.lake.read("champion")["version"].item() == chosen
    done("promote", other, "--reason", "odd lists")
    run_pipeline(home, only="serving_model+")
    assert registry.champion() == other
    assert workspace.lake.read("serving_model")["version"].item() == other
    run_pipeline(home, only="champion+")
    assert registry.champion() == other
    row = workspace.lake.read("champion").row(0, named=True)
    assert row["version"] == other and "by hand" in row["reason"]


def test_a_chosen_version_that_can_be_read_no_more_gives_way(
    home: Settings, registry: ModelRegistry
) -> None:
    workspace, best, other = Workspace(home), registry.champion(), another(registry)
    done("promote", other, "--reason", "odd lists")
    config = registry.root / other / "config.json"
    config.write_text(config.read_text().replace('"format": 1', '"format": 0'))
    run_pipeline(home, only="champion+")
    assert registry.champion() == best
    assert "cannot be read" in workspace.lake.read("champion")["reason"].item()
    current = open_promotions(workspace).current()
    assert current is not None and (current.version, current.by) == (best, "gate")


def fitted_later(workspace: Workspace, name: str) -> str:
    """A new version of a model, as a run with newer events would have fitted it."""
    lake, registry = workspace.lake, open_registry(workspace)
    old = registry.version(fitted_versions(lake, name)[USER_TEMPORAL])
    made = registry.add(
        old.name,
        registry.load(old.version),
        metrics=[],
        data_versions=old.data_versions,
        stamp={**old.stamp, "fitted": "later"},
        git_commit=old.git_commit,
        item_ids=registry.item_ids(old.version),
        encoders=old.encoders,
    )
    table = lake.read(model_table(name))
    renamed = table.with_columns(version=table["version"].replace(old.version, made.version))
    version = lake.version(model_table(name))
    lake.write(model_table(name), renamed, version.stamp, **version.summary)
    return made.version


def test_before_the_first_run_the_commands_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSMODAL_HOME", str(tmp_path / "home"))
    for arguments in (
        ["champion"],
        ["promote", "any", "--reason", "r"],
        ["rollback", "--reason", "r"],
    ):
        assert "crossmodal run" in refused(*arguments)
    assert done("champion", "--history").strip() == ""

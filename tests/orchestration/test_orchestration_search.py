"""The search as an asset and a command, and models that are fitted with what it found."""

import json
from pathlib import Path

import polars as pl
import pytest
from small_platform import small_settings
from typer.testing import CliRunner

from assets.datasets import split_data
from assets.registry import open_registry
from assets.training import fitted_versions
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.baselines import EASE, EASEConfig
from models.catalogue import CATALOGUE, SPACES
from models.search import read_best
from models.splits.names import COLD_ITEM, RANKED_SPLITS, USER_TEMPORAL
from models.validation import validation_loss
from orchestration.cli import app
from orchestration.run import RunFailedError, RunSummary, run_pipeline

Finished = tuple[Settings, RunSummary]
ONLY = "key:hyperparameter_search"
pytestmark = pytest.mark.slow


def trials_of(settings: Settings) -> pl.DataFrame:
    return Workspace(settings).lake.read("hyperparameter_trials")


def test_nothing_is_searched_unless_named(finished: Finished) -> None:
    settings, summary = finished
    assert "hyperparameter_search" in summary.made
    assert trials_of(settings).is_empty()
    assert not Workspace(settings).paths.studies.exists()


def test_a_search_without_names_is_kept_whatever_the_budget(copied: Settings) -> None:
    more = small_settings(copied.home, search_trials=50)
    assert run_pipeline(more, ONLY).kept == ("hyperparameter_search",)


def test_two_models_are_searched_and_more_trials_go_on_from_there(copied: Settings) -> None:
    chosen = {"search_models": ("ease", "cold_start_map"), "search_seconds": 300}
    two = small_settings(copied.home, search_trials=2, **chosen)
    assert run_pipeline(two, ONLY).made == ("hyperparameter_search",)
    found = trials_of(two)
    expected = {("ease", USER_TEMPORAL), ("cold_start_map", COLD_ITEM)}
    assert sorted(found.select("model", "split", "trial").rows()) == sorted(
        (*pair, trial) for pair in expected for trial in (0, 1)
    )
    assert (found["state"] == "complete").all()
    assert found["value"].is_between(0, 1).all() and (found["seconds"] >= 0).all()

    data = split_data(Workspace(two).lake, USER_TEMPORAL).dataset
    ease = found.filter(pl.col("model") == "ease").to_dicts()
    for row in ease:
        config = EASEConfig(**json.loads(row["settings"]), seed=two.seed)
        model = EASE(config).fit(data)
        assert row["value"] == pytest.approx(1 - validation_loss(data, model, two.seed)())
    assert json.loads(ease[0]["settings"]) == {"strength": 300.0, "decay": 0.9}

    summary = Workspace(two).lake.version("hyperparameter_trials").summary["best"]
    assert set(summary) == {"ease", "cold_start_map"}
    assert summary["ease"]["validation"] == max(row["value"] for row in ease)
    assert summary["ease"]["default_validation"] == ease[0]["value"]
    assert Workspace(two).paths.pictures.joinpath("hyperparameter_trials.png").is_file()

    assert run_pipeline(two, ONLY).kept == ("hyperparameter_search",)
    three = small_settings(copied.home, search_trials=3, **chosen)
    run_pipeline(three, ONLY)
    grown = trials_of(three)
    assert grown.height == 6
    assert grown.filter(pl.col("trial") < 2).equals(found)

    assert run_pipeline(copied, ONLY).kept == ("hyperparameter_search",)
    assert trials_of(copied).equals(grown)


def test_the_command_writes_what_models_are_then_fitted_with(
    copied: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in copied.model_dump(mode="json", exclude={"id_key"}).items():
        if isinstance(value, str | int):
            monkeypatch.setenv(f"CROSSMODAL_{name.upper()}", str(value))
    monkeypatch.setenv("CROSSMODAL_ID_KEY", "a key for tests")
    call = ["search", "--models", "ease", "--trials", "4", "--best", "found.json"]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    assert "ease: validation NDCG@10" in result.output
    found = read_best("found.json")["ease"]
    assert found.trials == 4 and found.validation >= found.default_validation
    assert found.command == "crossmodal search --models ease --trials 4 --seconds 600"

    tuned = small_settings(copied.home, tuned="found.json")
    summary = run_pipeline(tuned, "key:model_ease or key:model_item_knn")
    assert (summary.made, summary.kept) == (("model_ease",), ("model_item_knn",))
    for split in RANKED_SPLITS:
        version = fitted_versions(Workspace(tuned).lake, "ease")[split]
        model = open_registry(Workspace(tuned)).load(version)
        assert SPACES["ease"].chosen(model.config) == found.settings


def test_best_settings_that_are_not_there_stop_the_run_and_are_named(copied: Settings) -> None:
    lost = small_settings(copied.home, tuned="nowhere.json")
    with pytest.raises(RunFailedError, match=r"CROSSMODAL_TUNED names .*nowhere\.json"):
        run_pipeline(lost, "key:model_ease")


def test_the_hybrid_is_built_with_settings_of_its_trees() -> None:
    entry = next(entry for entry in CATALOGUE if entry.name == "hmdf")
    model = entry.build({"seed": 3, "leaves": 9}, "cpu", lambda epoch: None)
    assert (model.config.leaves, model.config.seed) == (9, 3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["search", "--models", "nosuch"], "SEARCH_MODELS"),
        (["search", "--models", "ease", "--best", "found.txt"], ".json"),
        (["search", "--models", "ease", "--trials", "0"], "--trials"),
    ],
)
def test_a_wrong_search_exits_with_2_and_says_what_is_wrong(
    call: list[str], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CROSSMODAL_HOME", str(tmp_path / "home"))
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 2
    assert said in result.output

"""The gate in a run: planted regressions are refused, and no other test events are looked at."""

import hashlib
import json

import dagster as dg
import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file, save_file

from assets import champion as asset
from assets.assembled_splits import assembled_split
from assets.datasets import SplitData
from assets.gate import GATE
from assets.training import fitted_versions
from crossmodal.lake import Lake
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.splits.names import USER_TEMPORAL
from orchestration.instance import open_instance
from orchestration.report import collect_report, render_text
from orchestration.run import run_pipeline

pytestmark = pytest.mark.slow


def with_figures(lake: Lake, value: pl.Expr, chosen: pl.Expr) -> None:
    """Gives the chosen users of the chosen models another NDCG@10, as if it had been measured."""
    table = "metrics_per_user"
    figures = lake.read(table).with_columns(
        ndcg_10=pl.when(chosen).then(value).otherwise("ndcg_10")
    )
    lake.write(table, figures, lake.version(table).stamp)
    lake.path(GATE).unlink(missing_ok=True)


def challenger(lake: Lake) -> str:
    """A model that is not the champion, and that validation now prefers."""
    before = lake.read("champion")["version"].item()
    model = "als" if not before.startswith("als") else "ease"
    validation = (pl.col("part") == "validation") & (pl.col("split") == USER_TEMPORAL)
    with_figures(lake, pl.lit(1.0), validation & (pl.col("model") == model))
    return model


def test_weights_that_are_no_numbers_are_refused_with_a_page_that_says_so(
    copied: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(copied)
    lake, before = workspace.lake, workspace.lake.read("champion")["version"].item()
    model = challenger(lake)
    with_figures(lake, pl.lit(1.0), (pl.col("part") == "test") & (pl.col("model") == model))
    version = fitted_versions(lake, model)[USER_TEMPORAL]
    folder = workspace.paths.models / version
    weights = load_file(folder / "weights.safetensors")
    broken = {
        name: np.full_like(array, np.nan) if array.dtype == np.float32 else array
        for name, array in weights.items()
    }
    save_file(broken, folder / "weights.safetensors")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    checksum = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({**manifest, "weights_sha256": checksum}))
    run_pipeline(copied, only="key:champion")
    row = lake.read("champion").row(0, named=True)
    assert row["version"] == before and not row["promoted"] and row["candidate"] == version
    assert "Refused: some of its scores are not numbers" in row["reason"]
    with open_instance(workspace.paths) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("champion"))
    assert event is not None and event.asset_materialization is not None
    shown = event.asset_materialization.metadata
    assert f"## Refused: {version}" in str(shown["verdict"].value)
    assert isinstance(shown["ndcg_at_10_most_active"].value, float)
    collected = collect_report(copied)
    assert {line["measure"] for line in collected["champion"]["gate"]} >= {"ndcg_10", "coverage_10"}
    render_text(collected)
    assert "The gate: the candidate compared" in capsys.readouterr().out
    # Where there is no champion that could stay, the popular list answers.
    (workspace.paths.models / "champion").unlink()
    lake.path(GATE).unlink()
    run_pipeline(copied, only="key:champion")
    row = lake.read("champion").row(0, named=True)
    assert row["version"] == fitted_versions(lake, "popularity")[USER_TEMPORAL]
    assert "Refused: some of its scores are not numbers" in row["reason"]
    assert row["before"] == "" and "answers in its place" in row["reason"]


def test_the_verdict_reads_no_test_events_but_those_of_the_split_that_chooses(
    copied: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, asked = Workspace(copied), []
    lake, model = workspace.lake, challenger(workspace.lake)
    decided = lake.read("champion")["version"].item()

    def recorded(workspace: Workspace, split: str) -> SplitData:
        asked.append(assembled_split(workspace, split))
        return asked[-1]

    monkeypatch.setattr(asset, "assembled_split", recorded)
    run_pipeline(copied, only="key:champion")
    first, row = lake.read(GATE), lake.read("champion").row(0, named=True)
    assert row["candidate"] == fitted_versions(lake, model)[USER_TEMPORAL]
    assert set(first.filter(measure="ndcg_10", segment="all")["against"]) >= {decided, "popularity"}
    (data,) = asked
    assert data.name == USER_TEMPORAL
    # The champion's judged version, which is asked again, has seen none of the events that judge.
    known = {*zip(data.dataset.train.users, data.dataset.train.timestamps, strict=True)}
    newest = dict(sorted(known))
    for user, instant in zip(data.test.users, data.test.timestamps, strict=True):
        assert instant >= newest[user]
    # Every other test figure there is changes: those of the other splits, and those of the models
    # that are neither the candidate nor a baseline.
    others = (pl.col("part") == "test") & (
        (pl.col("split") != USER_TEMPORAL)
        | ~pl.col("model").is_in([model, "popularity", "random", "ease", "transition"])
    )
    with_figures(lake, pl.lit(0.123), others)
    run_pipeline(copied, only="key:champion")
    again = lake.read("champion").row(0, named=True)
    assert (again["version"], again["promoted"]) == (row["version"], row["promoted"])
    assert lake.read(GATE).equals(first)

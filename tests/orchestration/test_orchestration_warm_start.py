"""A night that goes on from the version that answers, and what makes it begin from scratch."""

import json
from datetime import datetime, timedelta

import polars as pl
import pytest
from small_platform import small_settings

from assets.datasets import newest_known
from assets.registry import open_registry
from assets.training import fitted_versions
from assets.warm_start import beginning
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.mmnn import MMNN
from models.protocol import WarmStartable
from models.splits.names import USER_TEMPORAL
from orchestration.run import run_pipeline

pytestmark = pytest.mark.slow
_MODEL = "mmnn"


def warm(settings: Settings, **chosen: object) -> Settings:
    """The same home, whose nights go on."""
    return small_settings(settings.home, warm_start=(_MODEL,), **chosen)


def as_if_judged_best(settings: Settings) -> str:
    """Makes the MMNN champion, as if the gate had; returns its version."""
    lake = Workspace(settings).lake
    version = fitted_versions(lake, _MODEL)[USER_TEMPORAL]
    row = lake.read("champion").with_columns(version=pl.lit(version))
    lake.write("champion", row, lake.version("champion").stamp)
    return version


def as_if_a_night_later(settings: Settings) -> datetime:
    """Moves the newest event by a day, in what a fit reads; returns its instant."""
    lake = Workspace(settings).lake
    splits = lake.read("splits")
    newest = splits["event_timestamp"].max()
    assert isinstance(newest, datetime)
    moved = pl.when(pl.col("event_timestamp") == newest).then(
        pl.lit(newest + timedelta(days=1), splits.schema["event_timestamp"])
    )
    changed = splits.with_columns(event_timestamp=moved.otherwise("event_timestamp"))
    version = lake.version("splits")
    lake.write("splits", changed, version.stamp, **version.summary)
    return newest + timedelta(days=1)


def test_nights_go_on_from_what_answers_until_the_models_are_judged(
    copied: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = warm(copied)
    workspace = Workspace(settings)
    lake, registry = workspace.lake, open_registry(workspace)
    judged = as_if_judged_best(settings)

    run_pipeline(settings, only="serving_model")
    first = lake.read("serving_model").row(0, named=True)
    assert first["refit"] == registry.champion() and first["warm_starts"] == 0
    assert "without a warm start (the models were judged since the last fit)" in first["reason"]

    def fitted_from_scratch(*_: object) -> None:
        raise AssertionError("a night that goes on fits nothing from scratch")

    monkeypatch.setattr(MMNN, "refitted", fitted_from_scratch)
    newest = as_if_a_night_later(settings)
    run_pipeline(settings, only="serving_model")
    second = lake.read("serving_model").row(0, named=True)
    assert second["version"] == second["refit"] != first["version"]
    assert second["warm_started_from"] == first["version"] and second["warm_starts"] == 1
    assert f"warm-started from {first['version']}" in second["reason"]
    made = registry.version(second["version"])
    assert (made.warm_started_from, made.warm_starts) == (first["version"], 1)
    assert made.judged_by == judged and datetime.fromisoformat(made.newest_event) == newest

    weights = registry.root / second["version"] / "weights.safetensors"
    before = weights.read_bytes()
    weights.write_bytes(before[:100])
    again = warm(settings, refit_overlap=0.1)
    run_pipeline(again, only="serving_model")
    assert lake.read("serving_model")["version"].item() == second["version"]
    assert weights.read_bytes() == before, "the same inputs give the same bytes"

    as_if_a_night_later(settings)
    run_pipeline(settings, only="serving_model")
    third = lake.read("serving_model").row(0, named=True)
    assert (third["warm_started_from"], third["warm_starts"]) == (second["version"], 2)

    monkeypatch.undo()
    champion = lake.read("champion").with_columns(reason=pl.lit("Judged again."))
    lake.write("champion", champion, lake.version("champion").stamp)
    as_if_a_night_later(settings)
    run_pipeline(settings, only="serving_model")
    assert lake.read("serving_model")["warm_starts"].item() == 0


def test_what_cannot_be_gone_on_from_is_fitted_from_scratch_and_said(copied: Settings) -> None:
    settings = warm(copied)
    workspace = Workspace(settings)
    lake, registry = workspace.lake, open_registry(workspace)
    judged = as_if_judged_best(settings)
    run_pipeline(settings, only="serving_model")
    first = lake.read("serving_model")["version"].item()
    model = registry.load(judged)
    assert isinstance(model, WarmStartable)

    def why_not(of: Settings = settings) -> str:
        return beginning(Workspace(of), judged, model).why_not

    assert "the same events" in why_not()
    newest = as_if_a_night_later(settings)
    assert beginning(workspace, judged, model).version == first
    assert "CROSSMODAL_WARM_START does not name mmnn" in why_not(copied)

    manifest = registry.root / first / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "encoders": {"text": "another"}}))
    assert "other encoders" in why_not()
    manifest.write_text(json.dumps({**content, "judged_by": "ease-user-temporal-1"}))
    assert "is no refit of" in why_not()
    later = (newest + timedelta(days=3)).isoformat()
    manifest.write_text(json.dumps({**content, "newest_event": later}))
    run_pipeline(settings, only="serving_model")
    second = lake.read("serving_model")["version"].item()
    made = registry.version(second)
    assert made.warm_started_from == first and made.newest_event == later, "as its ancestor knew"

    with (registry.root / second / "weights.safetensors").open("r+b") as weights:
        weights.truncate(100)
    as_if_a_night_later(settings)
    assert newest_known(lake) is not None
    run_pipeline(settings, only="serving_model")
    row = lake.read("serving_model").row(0, named=True)
    assert row["version"] == row["refit"] and row["warm_starts"] == 0
    assert f"without a warm start ({second} could not be gone on from: " in row["reason"]

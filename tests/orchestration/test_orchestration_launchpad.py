"""Runs started in the web UI: what the launchpad offers, and what a run does with it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from small_platform import small_settings

from assets.partitions import months, register_months
from assets.published_months import publish_month
from crossmodal.lake import Lake
from crossmodal.settings import Settings, load_settings, remember_source
from crossmodal.workspace import Workspace
from orchestration import progress
from orchestration.definitions import build_definitions
from orchestration.finished import choices_in_force, remember_finished, still_finished
from orchestration.instance import open_instance
from orchestration.jobs import month_range_tags
from orchestration.run import RunFailedError, run_pipeline
from orchestration.run_resource import workspace_alone

MAPPING = """
interactions: {path: events.csv, user: user, item: item, time: at, value: stars}
items: {path: items.csv, id: id, title: title}
"""
READING = (
    "reported_events",
    "reported_items",
    "raw_interactions",
    "raw_items",
    "raw_media",
    "staged_interactions",
    "staged_items",
    "rejects",
    "repairs",
    "items",
    "interactions",
)


def config(**chosen: Any) -> dict[str, Any]:
    """What the launchpad sends."""
    return {"resources": {"workspace": {"config": chosen}}}


def source(folder: Path, *events: str) -> Path:
    folder.mkdir()
    (folder / "mapping.yaml").write_text(MAPPING)
    (folder / "items.csv").write_text("id,title\na,A\nb,B\n")
    write_events(folder, *events)
    return folder / "mapping.yaml"


def write_events(folder: Path, *events: str) -> None:
    rows = [f"u,{item},{day},4" for item, day in (event.split("@") for event in events)]
    (folder / "events.csv").write_text("\n".join(["user,item,at,stars", *rows, ""]))


class Ui:
    """Starts runs of a home as the web UI does, without choosing a month unless one is named."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.workspace, self.instance = Workspace(settings), instance
        self._definitions = build_definitions(self.workspace, reopened=self._reopened)
        self._everything = self._definitions.resolve_job_def("everything")

    def _reopened(self, **chosen: Any) -> Workspace:
        return Workspace(load_settings(home=self.workspace.settings.home, **chosen))

    def run(
        self, assets: tuple[str, ...] = READING, months: tuple[str, ...] = (), **chosen: Any
    ) -> set[str]:
        """Runs to the end; returns the assets that were made and not kept."""
        done = self._everything.execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(name) for name in assets],
            tags=month_range_tags(list(months)),
            run_config=config(**chosen) if chosen else None,
        )
        self.written = {
            month
            for event in done.get_asset_materialization_events()
            for month in getattr(event.materialization.metadata.get("months_written"), "value", ())
        }
        return {
            event.asset_key.to_user_string()
            for event in done.get_asset_materialization_events()
            if "kept" in event.materialization.metadata
            and not event.materialization.metadata["kept"].value
        }

    def days(self) -> list[str]:
        frame = self.workspace.lake.scan_partitions("interactions").collect()
        return sorted(str(day) for day in frame["event_timestamp"].dt.date())

    def stale(self, *assets: str) -> set[str]:
        """Those of the assets, or of the months, that the web UI calls unsynced."""
        graph = self._definitions.resolve_asset_graph()
        resolver = CachingStaleStatusResolver(
            self.instance, graph, LoadingContextForTest(self.instance)
        )
        interactions = dg.AssetKey("interactions")
        found = {name: resolver.get_status(dg.AssetKey(name)) for name in assets}
        for month in self.instance.get_dynamic_partitions(str(months.name)):
            found[month] = resolver.get_status(interactions, month)
        assert StaleStatus.MISSING not in found.values()
        return {name for name, status in found.items() if status is StaleStatus.STALE}

    def materialized_months(self) -> set[str]:
        return self.instance.get_materialized_partitions(dg.AssetKey("interactions"))


class BrokenOff(RuntimeError):
    """A run ends in the middle."""


def breaking_off(lake: Lake, month: str, frame: pl.DataFrame, *, again: bool) -> bool:
    """Publishes months, and ends the run when it comes to March."""
    if month == "2020-03":
        raise BrokenOff
    return publish_month(lake, month, frame, again=again)


@pytest.fixture
def ui(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ui]:
    monkeypatch.chdir(tmp_path)
    mapping = source(tmp_path / "first", "a@2020-01-01", "b@2020-02-01", "a@2020-03-01")
    settings = small_settings(tmp_path / "home", source="tables", source_path=mapping)
    settings.home.mkdir()
    remember_source(settings)
    with open_instance(Workspace(settings).paths) as instance:
        yield Ui(settings, instance)


@pytest.mark.slow
def test_a_run_has_all_months_unless_some_are_chosen_and_goes_on_where_it_broke_off(
    ui: Ui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "interactions" in ui.run((*READING, "splits"))
    assert ui.days() == ["2020-01-01", "2020-02-01", "2020-03-01"]
    assert ui.materialized_months() == {"2020-01", "2020-02", "2020-03"}
    assert ui.run(("interactions",), months=("2020-02", "2020-03")) == set(), "nothing is new"
    assert ui.stale("splits", "items") == set(), "so that nothing is unsynced"

    write_events(tmp_path / "first", "a@2020-01-02", "b@2020-02-02", "a@2020-03-02")
    with monkeypatch.context() as patch:
        patch.setattr("assets.ingestion.publish_month", breaking_off)
        with pytest.raises(BrokenOff):
            ui.run(months=("2020-02", "2020-03"))
    assert "interactions" in ui.run(("interactions",), months=("2020-02", "2020-03"))
    assert ui.written == {"2020-03"}, "February was written before"
    assert ui.days() == ["2020-01-01", "2020-02-02", "2020-03-02"], "January was not chosen"
    assert ui.stale("splits") == {"splits", "2020-01"}


@pytest.mark.slow
def test_another_source_is_read_by_later_runs_too(ui: Ui, tmp_path: Path) -> None:
    register_months(ui.instance, ["2020-01"])
    other = source(tmp_path / "second", "a@1999-05-05")
    ui.run(source="tables", source_path=str(other))
    assert ui.days() == ["1999-05-05"]
    assert ui.instance.get_dynamic_partitions(str(months.name)) == ["1999-05"]
    assert load_settings(home=ui.workspace.settings.home).source_path == other
    assert ui.run(("raw_interactions", "raw_items", "raw_media")) == set()
    assert ui.run(("items",), force=["items"]) == {"items"}


@pytest.mark.slow
def test_what_another_seed_has_made_is_made_again_by_the_next_run_without_it(
    copied: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(copied)
    usual, choices = workspace.lake.version("splits"), choices_in_force(workspace)
    remember_finished(workspace, choices, ["splits"])
    with open_instance(workspace.paths) as instance:
        done = (
            build_definitions(workspace)
            .resolve_job_def("everything")
            .execute_in_process(
                instance=instance,
                asset_selection=[dg.AssetKey("splits")],
                run_config=config(seed=7),
            )
        )
    assert done.success and workspace.lake.version("splits").data_version != usual.data_version
    found = still_finished(workspace, choices, ["splits"])
    assert found is None, "the next run does not believe that it has nothing to do"
    with pytest.raises(RunFailedError, match="was fitted to other splits"):
        run_pipeline(copied, only="key:metrics")
    known = {"model_hmdf": 36_000, "tie_sensitivity": 500, "metrics": "damaged"}
    workspace.paths.timings.write_text(json.dumps(known))
    workspace.lake.path("tie_sensitivity").unlink()
    monkeypatch.setattr(progress, "_LINE_EVERY_SECONDS", 0.0)
    made = run_pipeline(copied, only="key:splits or key:tie_sensitivity").made
    assert made == ("splits", "tie_sensitivity")
    assert "at most 8 min left by earlier runs" in capsys.readouterr().err, "of these two alone"
    assert workspace.lake.version("splits").data_version == usual.data_version
    assert run_pipeline(copied, only="key:model_popularity or key:metrics").made == ()


def test_the_launchpad_shows_the_settings_in_force_and_refuses_what_there_is_not(
    tmp_path: Path,
) -> None:
    settings = small_settings(tmp_path, seed=5, extra_models=("gat",))
    job = build_definitions(Workspace(settings)).resolve_job_def("everything")
    shown = dg.validate_run_config(job)["resources"]["workspace"]["config"]
    assert shown["seed"] == 5 and shown["training_epochs"] == 2
    assert shown["extra_models"] == ["gat"] and shown["force"] == []
    wrong = ({"source": "csv"}, {"extra_models": ["ease"]}, {"force": ["itemz"]}, {"seed": "six"})
    for chosen in wrong:
        with pytest.raises(dg.DagsterInvalidConfigError):
            dg.validate_run_config(job, config(**chosen))
    fields = job.run_config_schema.config_type.fields["resources"].config_type.fields
    described = fields["workspace"].config_type.fields["config"].config_type.fields
    assert all(len(field.description) > 20 for field in described.values())


@dg.asset(name="splits")
def seen(workspace: dg.ResourceParam[Workspace]) -> Workspace:
    return workspace


def ran(
    settings: Settings, chosen: Mapping[str, Any]
) -> tuple[dg.ExecuteInProcessResult, Mapping[str, str]]:
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [seen],
            instance=instance,
            resources={"workspace": workspace_alone(Workspace(settings))},
            run_config=config(**chosen),
            raise_on_error=False,
        )
        run = instance.get_run_by_id(done.run_id)
    assert run is not None
    tags = run.tags.items()
    return done, {name: value for name, value in tags if name.startswith("crossmodal/")}


def test_what_is_chosen_holds_for_the_run_and_stands_in_its_tags(tmp_path: Path) -> None:
    usual = small_settings(tmp_path)
    chosen = {"seed": 7, "training_epochs": 2, "extra_models": ["gat"], "force": ["splits"]}
    done, tags = ran(usual, chosen)
    workspace = done.output_for_node("splits")
    assert workspace.settings == small_settings(tmp_path, seed=7, extra_models=("gat",))
    assert workspace.forced == {"splits"}
    assert tags == {
        "crossmodal/seed": "7",
        "crossmodal/extra_models": "gat",
        "crossmodal/force": "splits",
    }
    done, tags = ran(usual, {})
    assert done.output_for_node("splits") == Workspace(usual) and not tags


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"seed": -1}, "seed: Input should be greater than or equal to 0."),
        ({"source_path": "/data"}, "add the source that it is of"),
        (
            {"source": "sample", "source_path": "/data"},
            "sample takes no source_path; leave",
        ),
        ({"force": ["splits", "items"]}, "forces items, which this run does not make: select it"),
    ],
)
def test_a_value_that_cannot_be_used_ends_the_run_in_words(
    tmp_path: Path, chosen: Mapping[str, Any], said: str
) -> None:
    done, _ = ran(small_settings(tmp_path), chosen)
    assert not done.success
    (failed,) = [event for event in done.all_events if event.is_job_failure]
    assert said in failed.job_failure_data.error.to_string()


def test_a_run_that_is_taken_up_makes_what_is_forced_once(tmp_path: Path) -> None:
    broken, made = tmp_path / "broken", []

    def is_made(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
        forced = context.asset_key.to_user_string() in workspace.forced
        made.extend([context.asset_key.to_user_string()] if forced else [])
        return dg.MaterializeResult(metadata={"kept": not forced})

    @dg.asset
    def items(
        context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult:
        return is_made(context, workspace)

    @dg.asset(deps=[items])
    def splits(
        context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult:
        if broken.exists():
            raise dg.Failure("The machine lost its power.")
        return is_made(context, workspace)

    def run(instance: dg.DagsterInstance, after: str | None) -> str:
        return dg.materialize(
            [items, splits],
            instance=instance,
            resources={"workspace": workspace_alone(Workspace(small_settings(tmp_path / "home")))},
            run_config=config(force=["items", "splits"]),
            tags={} if after is None else {"dagster/parent_run_id": after},
            raise_on_error=False,
        ).run_id

    with dg.DagsterInstance.ephemeral() as instance:
        broken.touch()
        first = run(instance, None)
        second = run(instance, first)
        broken.unlink()
        third = run(instance, second)
        assert made == ["items", "splits"]
        run(instance, third)
        assert made == ["items", "splits"] * 2, "that run had come to its end"

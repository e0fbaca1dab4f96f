"""A source whose files change: shown as stale before a run, and seen by one run a state."""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.definitions.observe import observe
from dagster._core.loader import LoadingContextForTest
from small_platform import small_settings

from assets.ingestion import raw_files
from assets.observed import states_in
from assets.source_state import current_states, source_files
from crossmodal.settings import remember_source
from crossmodal.workspace import Workspace
from orchestration.definitions import build_definitions
from orchestration.instance import open_instance

MAPPING = """
interactions: {path: events.csv, user: user, item: item, time: at, value: stars}
items: {path: items.csv, id: id, title: title}
media: {image: poster}
"""
RAW = ("raw_interactions", "raw_items", "raw_media")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.mkdir()
    (source / "mapping.yaml").write_text(MAPPING)
    (source / "events.csv").write_text("user,item,at,stars\nu,a,2020-01-01,4\n")
    (source / "items.csv").write_text("id,title,poster\na,A,a.png\nb,B,b.png\n")
    for name in "ab":
        (source / f"{name}.png").write_bytes(b"first")
    return source


@pytest.fixture
def workspace(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    settings = small_settings(
        tmp_path / "home", source="tables", source_path=folder / "mapping.yaml"
    )
    settings.home.mkdir()
    remember_source(settings)
    return Workspace(settings)


@pytest.fixture
def instance(workspace: Workspace) -> Iterator[dg.DagsterInstance]:
    with open_instance(workspace.paths) as opened:
        yield opened


def run(workspace: Workspace, instance: dg.DagsterInstance) -> None:
    done = dg.materialize([raw_files], instance=instance, resources={"workspace": workspace})
    assert done.success


def stale(workspace: Workspace, instance: dg.DagsterInstance) -> set[str]:
    graph = build_definitions(workspace).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    found = {name: resolver.get_status(dg.AssetKey(name)) for name in RAW}
    assert StaleStatus.MISSING not in found.values()
    return {name for name, status in found.items() if status == StaleStatus.STALE}


class Daemon:
    """Ticks, and keeps what Dagster's daemon keeps of a tick."""

    def __init__(self, workspace: Workspace, instance: dg.DagsterInstance) -> None:
        self._workspace, self._instance = workspace, instance
        self.cursor: str | None = None

    def tick(self, *, killed: bool = False) -> list[str | None]:
        repository = build_definitions(self._workspace).get_repository_def()
        sensor = repository.get_sensor_def("source_changed")
        with dg.build_sensor_context(
            self._instance, cursor=self.cursor, repository_def=repository
        ) as context:
            done = sensor.evaluate_tick(context)
        for event in done.asset_events:
            self._instance.report_runless_asset_event(event)
        self.told = len(done.asset_events)
        if not killed:
            self.cursor = done.cursor
        return [request.run_key for request in done.run_requests or ()]


def test_a_changed_poster_shows_as_stale_and_asks_for_one_run(
    workspace: Workspace, instance: dg.DagsterInstance, folder: Path
) -> None:
    daemon = Daemon(workspace, instance)
    assert daemon.tick() == [], "no run has read the source yet"
    run(workspace, instance)
    assert stale(workspace, instance) == set()
    assert daemon.tick() == daemon.tick() == [] and daemon.told == 0
    assert stale(workspace, instance) == set(), "what a run has seen is what a look sees"

    (folder / "a.png").write_bytes(b"other")
    assert daemon.tick() == [], "it may still be written"
    assert stale(workspace, instance) == {"raw_media"}
    assert not (workspace.lake.read("raw_media")["sha256"].n_unique() > 1), "nothing was made"
    asked = daemon.tick(killed=True)
    assert len(asked) == 1 and daemon.tick() == asked, "the cursor was not kept: the same run"
    assert daemon.tick() == [], "until that run has ended"
    run(workspace, instance)
    assert stale(workspace, instance) == set() and daemon.tick() == []

    (folder / "a.png").write_bytes(b"first")
    assert daemon.tick() == [] and len(daemon.tick()) == 1
    run(workspace, instance)
    assert daemon.tick() == []
    (folder / "a.png").write_bytes(b"other")
    again = daemon.tick() + daemon.tick()
    assert len(again) == 1 and again != asked, "a state that comes back is another run's"


def test_a_changed_row_makes_the_tables_stale_and_a_touched_file_nothing(
    workspace: Workspace, instance: dg.DagsterInstance, folder: Path
) -> None:
    run(workspace, instance)
    os.utime(folder / "events.csv", (1, 1))
    os.utime(folder / "b.png", (1, 1))
    assert current_states(workspace) == states_in(workspace.lake)
    with (folder / "items.csv").open("a") as items:
        items.write("c,C,\n")
    observed = observe([source_files], instance=instance, resources={"workspace": workspace})
    assert observed.success
    assert stale(workspace, instance) == {"raw_interactions", "raw_items"}
    run(workspace, instance)
    assert stale(workspace, instance) == set()


def test_a_source_that_is_gone_starts_nothing(
    workspace: Workspace, instance: dg.DagsterInstance, folder: Path
) -> None:
    run(workspace, instance)
    daemon = Daemon(workspace, instance)
    daemon.tick()
    before = daemon.cursor
    (folder / "events.csv").unlink()
    assert daemon.tick() == [] and daemon.told == 0
    assert before is not None

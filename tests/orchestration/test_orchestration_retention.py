"""Old versions are deleted at the end of a run, and nothing that is needed is."""

import json
import os
import shutil
from pathlib import Path

import dagster as dg
import pytest
from small_platform import small_settings
from typer.testing import CliRunner

from assets.registry import open_promotions, open_registry
from assets.retention import named_versions
from assets.training import fitted_versions
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.registry import ModelRegistry
from models.splits.names import USER_TEMPORAL
from orchestration.cli import app
from orchestration.instance import open_instance
from orchestration.run import run_pipeline

pytestmark = pytest.mark.slow

LONG_AGO = 1_600_000_000


def older(registry: ModelRegistry, version: str, suffix: str) -> str:
    """A version of the same recipe that was fitted long ago."""
    made = f"{version}-{suffix}"
    folder = shutil.copytree(registry.root / version, registry.root / made)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "version": made}))
    os.utime(folder / "weights.safetensors", (LONG_AGO, LONG_AGO))
    return made


@pytest.fixture
def workspace(copied: Settings) -> Workspace:
    return Workspace(copied)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_what_nothing_needs_is_deleted_and_the_run_says_so(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = open_registry(workspace)
    needed = set(registry.names())
    ease = fitted_versions(workspace.lake, "ease")[USER_TEMPORAL]
    old = [older(registry, ease, suffix) for suffix in ("a", "b")]
    former = older(registry, ease, "former")
    champion = registry.champion() or ""
    promotions = open_promotions(workspace)
    promotions.promote(former, by="hand", reason="a trial")
    promotions.promote(champion, by="hand", reason="no better", kind="rollback")
    freed = sum(size(registry.root / version) for version in old)
    monkeypatch.chdir(workspace.settings.home)
    monkeypatch.setenv("CROSSMODAL_HOME", str(workspace.settings.home))
    monkeypatch.setenv("CROSSMODAL_KEPT_VERSIONS", "1")
    result = CliRunner().invoke(app, ["run", "--only", "kept_versions"])
    assert result.exit_code == 0, result.output
    assert f"Deleted 2 old versions of models: {freed:,} bytes freed." in result.output
    assert set(registry.names()) == {*needed, former}
    rows = dict(workspace.lake.read("kept_versions").select("version", "why").iter_rows())
    assert set(rows) == set(registry.names())
    assert rows[former] == "was champion lately" and rows[champion] == "answers"
    with open_instance(workspace.paths) as instance:
        made = instance.get_latest_materialization_event(dg.AssetKey("kept_versions"))
    assert made is not None and made.asset_materialization is not None
    metadata = made.asset_materialization.metadata
    assert (metadata["deleted"].value, metadata["freed_bytes"].value) == (2, freed)


def test_the_newest_five_stay_by_default(workspace: Workspace) -> None:
    registry = open_registry(workspace)
    ease = fitted_versions(workspace.lake, "ease")[USER_TEMPORAL]
    old = [older(registry, ease, f"{number}") for number in range(6)]
    for age, version in enumerate(old):
        written = (LONG_AGO + age, LONG_AGO + age)
        os.utime(registry.root / version / "weights.safetensors", written)
    summary = run_pipeline(small_settings(workspace.settings.home, kept_champion_days=29))
    assert summary.deleted == 2 and summary.made[-1] == "kept_versions"
    assert set(old) & set(registry.names()) == set(old[2:])


def test_whatever_a_table_names_stays(workspace: Workspace) -> None:
    named = named_versions(workspace.lake, without="kept_versions")
    registry = open_registry(workspace)
    assert set(registry.names()) <= named, "every version of a first run is named by its table"
    settings = small_settings(workspace.settings.home, kept_versions=1, kept_champion_days=0)
    assert run_pipeline(settings, only="kept_versions").deleted == 0


def test_what_a_killed_run_left_half_deleted_is_swept_at_the_next_start(
    workspace: Workspace,
) -> None:
    registry = open_registry(workspace)
    ease = fitted_versions(workspace.lake, "ease")[USER_TEMPORAL]
    aside = registry.root / ".old-killed"
    shutil.copytree(registry.root / ease, aside / "some-version")
    run_pipeline(workspace.settings, only="kept_versions")
    assert not aside.exists() and ease in registry.names()

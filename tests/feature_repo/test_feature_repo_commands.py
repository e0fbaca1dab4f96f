"""Feast's own command line, as a person would use it: in the folder, and in a home."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from feature_lake import NOW, copy_home, lists  # type: ignore[import-not-found]

from crossmodal.lake import Lake
from crossmodal.paths import StatePaths
from feature_repo import home_repo, store
from feature_repo.catalogue import ONLINE_VIEWS
from feature_repo.consistency import consistency

COMMANDS = Path(__file__).with_name("feast_commands.py")
LATER = (NOW + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S")


def feast(folder: Path, *commands: list[str], modules: Path | None = None) -> list[str]:
    """What each command printed; `modules` is where the package `feature_repo` lies.

    What that package imports lies in the checkout of these tests.
    """
    packages = [str(modules or home_repo.REPO.parent), str(home_repo.REPO.parent)]
    done = subprocess.run(
        [sys.executable, COMMANDS, json.dumps(commands)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(packages)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    printed: list[str] = json.loads(done.stdout)
    return printed


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with a copy of `feature_repo/` and no home yet."""
    shutil.copytree(home_repo.REPO, tmp_path / "checkout" / "feature_repo")
    return tmp_path / "checkout"


@pytest.mark.slow
def test_plan_apply_materialize_and_list(filled: StatePaths, checkout: Path) -> None:
    paths = StatePaths(checkout / ".crossmodal")
    shutil.copytree(filled.lake, paths.lake)
    # Feast's first increment begins one TTL before the clock's now, whatever its end is.
    now = datetime.now(UTC).replace(microsecond=0)
    users = [f"u{index}" for index in range(30)]
    Lake(paths.lake).write("user_recommendations", lists([*users, "new_user"], "today", now), {})
    planned, _, planned_again, _, listed = feast(
        checkout / "feature_repo",
        ["plan"],
        ["apply"],
        ["plan"],
        ["materialize-incremental", now.strftime("%Y-%m-%dT%H:%M:%S")],
        ["feature-views", "list"],
        modules=checkout,
    )
    assert "Created feature view item_text_embedding" in planned
    assert "No changes to registry" in planned_again
    assert listed.count("AVAILABLE_ONLINE") == 13
    report = consistency(paths, ONLINE_VIEWS, as_of=now)
    assert report.keys == {"item_id": 40, "user_id": 31}
    assert report.agrees, report.disagreements


@pytest.mark.slow
def test_applying_by_hand_after_a_run_keeps_every_online_value(
    filled: StatePaths, checkout: Path
) -> None:
    paths = copy_home(filled, checkout / ".crossmodal")
    known = every_online_value(paths)
    *_, increment = feast(
        checkout / "feature_repo",
        ["apply"],
        ["-c", str(paths.feast), "plan"],
        ["-c", str(paths.feast), "apply"],
        ["apply"],
        ["-c", str(paths.feast), "materialize-incremental", LATER],
        modules=checkout,
    )
    assert increment.count(f"{NOW:%Y-%m-%d %H:%M:%S}") == len(ONLINE_VIEWS)
    assert every_online_value(paths) == known
    assert consistency(paths, ONLINE_VIEWS, as_of=NOW).agrees


@pytest.mark.slow
def test_a_registry_of_an_earlier_version_is_applied_without_loss(
    filled: StatePaths, tmp_path: Path
) -> None:
    paths = copy_home(filled, tmp_path / "home")
    known = every_online_value(paths)
    record_online_tables(paths)
    feast(tmp_path, ["-c", str(paths.feast), "apply"])
    assert every_online_value(paths) == known
    (paths.feast / "applied").write_text("an earlier version")
    store.apply_definitions(paths)
    assert not registry_of(paths).infra.infra_objects
    assert every_online_value(paths) == known


@pytest.mark.slow
def test_a_copied_home_is_a_repo_of_its_own(filled: StatePaths, tmp_path: Path) -> None:
    original = copy_home(filled, tmp_path / "original")
    copy = StatePaths(tmp_path / "elsewhere" / "copy")
    shutil.copytree(original.home, copy.home)
    before = fingerprints(original.home)
    known = every_online_value(original)
    assert every_online_value(copy) == known
    with pytest.raises(store.MovedHomeError, match=r"feast -c .*copy/feast apply"):
        consistency(copy, ONLINE_VIEWS, as_of=NOW)

    *_, monitored = feast(
        tmp_path,
        ["-c", str(copy.feast), "apply"],
        ["-c", str(copy.feast), "materialize", "1996-01-01T00:00:00", LATER],
        ["-c", str(copy.feast), "materialize-incremental", LATER],
        ["-c", str(copy.feast), "monitor", "run", "-v", "user_statistics"],
    )
    assert fingerprints(original.home) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "original"]
    # Eight statistics over a day, a week, two weeks, a month and a quarter.
    assert "Features computed: 40" in monitored
    assert list((copy.feast / "feast_monitoring").glob("*feature_metrics.parquet"))
    shutil.rmtree(original.home)
    assert every_online_value(copy) == known
    assert consistency(copy, ONLINE_VIEWS, as_of=NOW).agrees


def every_online_value(paths: StatePaths) -> dict[str, dict[str, list[Any]]]:
    """Every feature of every key, as the online store of a home has it."""
    opened = store.open_store(paths)
    keys = {
        "item_id": [f"i{index}" for index in range(40)],
        "user_id": [*(f"u{index}" for index in range(30)), "new_user"],
    }
    views = [view for view in opened.list_feature_views() if view.online]
    assert {view.name for view in views} == set(ONLINE_VIEWS)
    found = {
        view.name: store.online(
            paths,
            {key.name: keys[key.name] for key in view.entity_columns},
            [f"{view.name}:{field.name}" for field in view.features],
            opened,
        )
        for view in views
    }
    store.close_store(opened)
    return found


def record_online_tables(paths: StatePaths) -> None:
    """Leaves the registry as a run of the first version did, with its online tables."""
    from feast import FeatureStore

    from feature_repo.catalogue import contents_at

    config = store.repo_config(paths)
    config.provider = "local"
    old = FeatureStore(config=config)
    _, _, tables = old.plan(contents_at(paths.lake))
    old.registry.update_infra(tables, old.project)
    assert len(registry_of(paths).infra.infra_objects) == 19


def registry_of(paths: StatePaths) -> Any:
    from feast.protos.feast.core.Registry_pb2 import Registry

    registry = Registry()
    registry.ParseFromString(paths.registry.read_bytes())
    return registry


def fingerprints(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_feast_reads_one_file_of_the_folder() -> None:
    from feast.repo_operations import get_repo_files

    assert [path.name for path in get_repo_files(home_repo.REPO)] == ["definitions.py"]

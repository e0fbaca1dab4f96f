"""Feast's own command line in the folder, as a person would use it."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from feature_lake import lists  # type: ignore[import-not-found]

from crossmodal.lake import Lake
from crossmodal.paths import StatePaths
from feature_repo import store
from feature_repo.catalogue import ONLINE_VIEWS
from feature_repo.consistency import consistency

COMMANDS = Path(__file__).with_name("feast_commands.py")


@pytest.mark.slow
def test_plan_apply_materialize_and_list(filled: StatePaths, tmp_path: Path) -> None:
    shutil.copytree(store.REPO, tmp_path / "feature_repo")
    paths = StatePaths(tmp_path / ".crossmodal")
    shutil.copytree(filled.lake, paths.lake)
    # Feast's first increment begins one TTL before the clock's now, whatever its end is.
    now = datetime.now(UTC).replace(microsecond=0)
    users = [f"u{index}" for index in range(30)]
    Lake(paths.lake).write("user_recommendations", lists([*users, "new_user"], "today", now), {})
    commands = [
        ["plan"],
        ["apply"],
        ["plan"],
        ["materialize-incremental", now.strftime("%Y-%m-%dT%H:%M:%S")],
        ["feature-views", "list"],
    ]
    done = subprocess.run(
        [sys.executable, COMMANDS, json.dumps(commands)],
        cwd=tmp_path / "feature_repo",
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    planned, _, planned_again, _, listed = json.loads(done.stdout)
    assert "Created feature view item_text_embedding" in planned
    assert "No changes to registry" in planned_again
    assert listed.count("AVAILABLE_ONLINE") == 13
    report = consistency(paths, ONLINE_VIEWS, as_of=now)
    assert report.keys == {"item_id": 40, "user_id": 31}
    assert report.agrees, report.disagreements


def test_feast_reads_one_file_of_the_folder() -> None:
    from feast.repo_operations import get_repo_files

    assert [path.name for path in get_repo_files(store.REPO)] == ["definitions.py"]

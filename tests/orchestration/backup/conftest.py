"""A home that can be backed up, and its archive."""

from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from backed_up_homes import event, silent

from crossmodal.event_log import EventLog
from crossmodal.lake import Lake
from crossmodal.paths import StatePaths
from orchestration.backup import back_up


@pytest.fixture
def home(tmp_path: Path) -> StatePaths:
    """A home of a table, a key, one event and what can be made again."""
    paths = StatePaths(tmp_path / "home")
    paths.home.mkdir()
    Lake(paths.lake).write("items", pl.DataFrame({"item_id": ["a"]}), {})
    paths.id_key.write_bytes(b"a secret")
    paths.id_key.chmod(0o600)
    with closing(EventLog(paths.event_log)) as log:
        log.append([event("first")]).result()
    for folder in paths.made_again:
        folder.mkdir(parents=True)
        (folder / "made-again").touch()
    (paths.lake / ".items.parquet.x.tmp").touch()
    paths.sources.mkdir()
    (paths.sources / ".ml-latest.zip.part").touch()
    return paths


@pytest.fixture
def archive(home: StatePaths, tmp_path: Path) -> Path:
    back_up(home, tmp_path / "archive", 0, silent)
    return tmp_path / "archive"

"""Homes made of backups."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from backed_up_homes import acknowledged, call, files_of, silent
from small_platform import small_settings

from assets.source_listing import source_of
from crossmodal.archives import ArchiveError, verify_archive, write_archive
from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from orchestration import restore as restoring
from orchestration.backup import back_up
from orchestration.doctor import examine
from orchestration.lookup import recommendations_of
from orchestration.restore import HomeNotEmptyError, restore
from orchestration.run import run_pipeline


@pytest.mark.slow
def test_a_restored_home_is_the_one_that_was_backed_up(copied: Settings, tmp_path: Path) -> None:
    run_pipeline(copied)
    before = StatePaths(copied.home)
    back_up(before, tmp_path / "archive", 0, silent)
    settings = small_settings(tmp_path / "elsewhere" / "home")
    after = StatePaths(settings.home)
    restore(after, tmp_path / "archive")
    for folder in ("lake", "models", "sources", "alignment", "pictures"):
        assert files_of(before.home / folder) == files_of(after.home / folder)
    user = pl.read_parquet(source_of(Workspace(copied)).root / "events.parquet")["user_id"][0]
    answer = recommendations_of(settings, user)
    assert answer.known and answer == recommendations_of(copied, user)
    found, expected = examine(settings), examine(copied)
    for area in ("tables", "key_of_users", "champion", "champion_judged_by", "dagster_runs"):
        assert found[area] == expected[area]
    assert found["feast"]["online_store"].endswith("as the last run left it")
    assert "unreadable" not in json.dumps(found)
    assert run_pipeline(settings).made == (), "Feast's registry names the new place already"
    assert files_of(before.lake) == files_of(after.lake)


def test_only_an_empty_home_is_filled(archive: Path, tmp_path: Path) -> None:
    full, empty = StatePaths(tmp_path / "full"), StatePaths(tmp_path / "empty")
    full.home.mkdir()
    (full.home / "holiday.jpg").touch()
    with pytest.raises(HomeNotEmptyError, match="crossmodal reset"):
        restore(full, archive)
    assert [path.name for path in full.home.iterdir()] == ["holiday.jpg"]
    empty.home.mkdir(mode=0o700)
    restore(empty, archive)
    assert empty.home.stat().st_mode & 0o777 == 0o700
    assert acknowledged(empty) == {"first"}


def test_a_damaged_archive_leaves_nothing(archive: Path, tmp_path: Path) -> None:
    content = archive.read_bytes()
    half = len(content) // 2
    for bad in (content[:half], content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]):
        archive.write_bytes(bad)
        before = set(tmp_path.iterdir())
        with pytest.raises(ArchiveError, match=f"^{archive} is damaged"):
            restore(StatePaths(tmp_path / "again"), archive)
        assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("release", "said"), [("0.0.9", "its own release"), ("99.0", "install that release")]
)
def test_the_state_of_another_time_is_refused(
    home: StatePaths, tmp_path: Path, release: str, said: str
) -> None:
    write_archive(tmp_path / "other", home.lake, release, "")
    with pytest.raises(ArchiveError, match=said):
        restore(StatePaths(tmp_path / "again"), tmp_path / "other")
    assert not (tmp_path / "again").exists()


def test_an_archive_that_needs_more_room_than_there_is_is_refused(archive: Path) -> None:
    manifest = verify_archive(archive)
    huge = replace(manifest, files=(replace(manifest.files[0], size=1 << 62),))
    with pytest.raises(ArchiveError, match="make room"):
        restoring._require_room(archive.parent, archive, huge)


def test_a_restore_that_is_killed_leaves_no_home(archive: Path, tmp_path: Path) -> None:
    pipe, again = tmp_path / "pipe", StatePaths(tmp_path / "again")
    big = tmp_path / "big"
    big.mkdir()
    # Beyond what a pipe and buffers hold, so that it has begun to write when all but the end is in.
    (big / "noise").write_bytes(os.urandom(8 << 20))
    write_archive(archive, big, "0.1.0", "")
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli", "restore", pipe],
        env=os.environ | {"CROSSMODAL_HOME": str(again.home)},
    )
    with pipe.open("wb", buffering=0) as writer:
        writer.write(archive.read_bytes()[: 7 << 20])
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not again.home.exists()
    (left,) = tmp_path.glob(".again.restore-*")
    restore(again, archive)
    assert not left.exists()
    assert [path.name for path in again.home.iterdir()] == ["noise"]


def test_restores_at_the_same_moment_do_not_remove_each_others_work(
    archive: Path, tmp_path: Path
) -> None:
    homes = [StatePaths(tmp_path / "again" / "home") for _ in range(8)]
    with ThreadPoolExecutor(len(homes)) as threads:
        ends = list(threads.map(lambda home: _end_of(home, archive), homes))
    assert sorted(ends) == ["filled"] * (len(homes) - 1) + ["restored"]
    assert acknowledged(homes[0]) == {"first"}
    assert [path.name for path in homes[0].home.parent.iterdir()] == ["home"]


def _end_of(home: StatePaths, archive: Path) -> str:
    try:
        restore(home, archive)
    except HomeNotEmptyError:
        return "filled"
    return "restored"


def test_a_signal_ends_a_restore_and_leaves_nothing(archive: Path, tmp_path: Path) -> None:
    pipe, again = tmp_path / "pipe", tmp_path / "again"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli", "restore", pipe],
        env=os.environ | {"CROSSMODAL_HOME": str(again)},
    )
    # Whoever opens it for reading has the handlers already.
    with pipe.open("wb", buffering=0) as writer:
        writer.write(archive.read_bytes()[:1000])
        process.send_signal(signal.SIGTERM)
    # A signal that comes just before a read of a pipe is heard after it.
    assert process.wait(60) == 143
    assert not again.exists() and not list(tmp_path.glob(".again*"))


def test_a_restored_home_without_its_key_says_so(
    copied_key_home: StatePaths, tmp_path: Path
) -> None:
    back_up(copied_key_home, tmp_path / "archive", 0, silent)
    code, output = call("restore", tmp_path / "archive", CROSSMODAL_HOME=tmp_path / "again")
    assert code == 0 and "set CROSSMODAL_ID_KEY if the key was there" in output


def test_a_registry_that_was_damaged_when_it_was_backed_up_is_one_sentence(
    home: StatePaths, tmp_path: Path
) -> None:
    home.registry.parent.mkdir(parents=True, exist_ok=True)
    home.registry.write_bytes(b"no such file is written " * 100)
    back_up(home, tmp_path / "archive", 0, silent)
    again = tmp_path / "again"
    code, output = call("restore", tmp_path / "archive", CROSSMODAL_HOME=again)
    assert code == 1 and "Traceback" not in output
    assert f"Restored to {again}" in output and "delete it, and `crossmodal run`" in output
    assert (again / "id.key").is_file()


@pytest.fixture
def copied_key_home(home: StatePaths) -> StatePaths:
    """A home whose key was a setting."""
    home.id_key.unlink()
    return home

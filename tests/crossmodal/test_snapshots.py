"""Copies of folders that others go on writing to."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crossmodal.atomic import atomic_write_bytes
from crossmodal.durable import open_durable
from crossmodal.snapshots import files_below, freeze, writes_held
from crossmodal.store_errors import StoreError


def nothing(name: str) -> bool:
    return False


def everything(name: str) -> bool:
    return True


def numbers(database: Path) -> list[int]:
    with closing(sqlite3.connect(database)) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM numbers")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "deep").mkdir(parents=True)
    (tmp_path / "root" / "deep" / "file").write_bytes(b"one")
    return tmp_path / "root"


def test_a_linked_file_keeps_its_content_when_another_takes_its_name(
    root: Path, tmp_path: Path
) -> None:
    freeze(root, ["deep/file"], tmp_path / "copy", linked=everything)
    assert (tmp_path / "copy" / "deep" / "file").stat().st_nlink == 2
    atomic_write_bytes(root / "deep" / "file", b"two")
    assert (tmp_path / "copy" / "deep" / "file").read_bytes() == b"one"


def test_a_copied_file_is_another_file_of_the_same_time(root: Path, tmp_path: Path) -> None:
    freeze(root, ["deep/file", "gone"], tmp_path / "copy", linked=nothing)
    copy = tmp_path / "copy" / "deep" / "file"
    assert copy.stat().st_mtime_ns == (root / "deep" / "file").stat().st_mtime_ns
    with (root / "deep" / "file").open("ab") as file:
        file.write(b"more")
    assert copy.read_bytes() == b"one"
    assert not (tmp_path / "copy" / "gone").exists()


def test_a_database_is_copied_as_its_last_commit_left_it(root: Path, tmp_path: Path) -> None:
    with closing(open_durable(root / "log.db")) as connection:
        connection.execute("CREATE TABLE numbers (number INTEGER)")
        connection.execute("INSERT INTO numbers VALUES (1)")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO numbers VALUES (2)")
        (root / "log.db").chmod(0o600)
        (root / "notes-wal").touch()
        names = files_below(root, nothing)
        assert names == ["deep/file", "log.db", "notes-wal"], "what is of the database aside"
        freeze(root, names, tmp_path / "copy", linked=everything)
        connection.execute("COMMIT")
    assert numbers(root / "log.db") == [1, 2]
    assert numbers(tmp_path / "copy" / "log.db") == [1]
    assert (tmp_path / "copy" / "log.db").stat().st_mode & 0o777 == 0o600


def test_a_damaged_database_is_named(root: Path, tmp_path: Path) -> None:
    (root / "log.db").write_bytes(b"SQLite format 3\0" + bytes(5000))
    with pytest.raises(StoreError, match=r"log\.db is damaged"):
        freeze(root, ["log.db"], tmp_path / "copy", linked=everything)


def test_nobody_writes_while_writes_are_held(root: Path) -> None:
    with closing(open_durable(root / "log.db")) as connection:
        connection.execute("CREATE TABLE numbers (number INTEGER)")
        connection.execute("PRAGMA busy_timeout = 0")
        with writes_held(root / "log.db"), pytest.raises(sqlite3.OperationalError, match="locked"):
            connection.execute("INSERT INTO numbers VALUES (1)")
        connection.execute("INSERT INTO numbers VALUES (2)")
    assert numbers(root / "log.db") == [2]
    with writes_held(root / "none.db"):
        assert not (root / "none.db").exists()


def test_links_are_followed_and_never_without_end(root: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "table").write_bytes(b"rows")
    (root / "moved").symlink_to(tmp_path / "disk")
    (root / "deep" / "up").symlink_to(root)
    (root / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(root / "pipe")
    names = files_below(root, lambda name: name == "left")
    assert names == ["deep/file", "moved/table"]
    freeze(root, names, tmp_path / "copy", linked=everything)
    assert not (tmp_path / "copy" / "moved").is_symlink()
    assert (tmp_path / "copy" / "moved" / "table").read_bytes() == b"rows"

"""Backups of homes that work, and homes made of them."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from small_platform import small_settings
from typer.testing import CliRunner

from assets.ingestion import source_of
from crossmodal.archives import ArchiveError, verify_archive, write_archive
from crossmodal.event_log import EventLog, LoggedEvent
from crossmodal.home_lock import HomeBusyError, home_lock
from crossmodal.item_log import Description, ItemLog, Vector
from crossmodal.lake import Lake
from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from orchestration import restore as restoring
from orchestration.backup import NoStateError, back_up
from orchestration.cli import app
from orchestration.doctor import examine
from orchestration.instance import CLI_RUN_TAG, open_instance
from orchestration.lookup import recommendations_of
from orchestration.restore import HomeNotEmptyError, restore
from orchestration.run import run_pipeline


def silent(sentence: str) -> None:
    """Where nothing is waited for."""


def event(name: str) -> LoggedEvent:
    return LoggedEvent(name, "ada", "item", "click", None, None, None, 1_000_000)


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
    return paths


@pytest.fixture
def archive(home: StatePaths, tmp_path: Path) -> Path:
    back_up(home, tmp_path / "archive", 0, silent)
    return tmp_path / "archive"


def files_of(folder: Path) -> dict[str, str]:
    """The hash of every file."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def acknowledged(paths: StatePaths) -> set[str]:
    with closing(EventLog(paths.event_log)) as log:
        return {one.event_id for one in log.acts_of_user("ada")}


def call(*words: object, **variables: object) -> tuple[int, str]:
    environment = {name: str(value) for name, value in variables.items()}
    result = CliRunner().invoke(app, [str(word) for word in words], env=environment)
    return result.exit_code, result.output


@contextmanager
def appending(log: EventLog) -> Iterator[list[str]]:
    """Appends events without a pause; yields those acknowledged so far, at least one."""
    known: list[str] = []
    over, begun = threading.Event(), threading.Event()

    def report() -> None:
        while not over.is_set():
            name = f"event-{len(known)}"
            log.append([event(name)]).result()
            known.append(name)
            begun.set()

    thread = threading.Thread(target=report)
    thread.start()
    try:
        assert begun.wait(60)
        yield known
    finally:
        over.set()
        thread.join()


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


@pytest.mark.slow
def test_no_acknowledged_event_is_lost_while_events_come_in(
    copied: Settings, tmp_path: Path
) -> None:
    before, after = StatePaths(copied.home), StatePaths(tmp_path / "again")
    with closing(EventLog(before.event_log)) as log, appending(log) as known:
        reported = set(known)
        back_up(before, tmp_path / "archive", 0, silent)
        later = len(known)
    assert later > len(reported), "events were taken meanwhile"
    restore(after, tmp_path / "archive")
    assert reported <= acknowledged(after) <= acknowledged(before)
    assert files_of(before.lake) == files_of(after.lake)
    assert files_of(before.models) == files_of(after.models)


def test_the_archive_holds_the_secret_and_nothing_that_is_made_again(
    home: StatePaths, archive: Path
) -> None:
    assert archive.stat().st_mode & 0o777 == 0o600
    kept = {file.path: file.mode for file in verify_archive(archive).files}
    assert set(kept) == {"id.key", "lake/items.parquet", "serving/events.db"}
    assert kept["id.key"] == 0o600
    assert not list(home.home.glob(".backup-*"))


def test_every_picture_that_an_item_mentions_is_there(home: StatePaths, tmp_path: Path) -> None:
    over = threading.Event()
    with closing(ItemLog(home.item_log, home.uploads)) as log:
        log.put("item", Description("t", "", (), 0), Vector("f", b""), known=False)

        def replace_pictures() -> None:
            count = 0
            while not over.is_set():
                log.put_media("item", "image", "image/png", b"%d" % count, {}, known=True)
                count += 1

        thread = threading.Thread(target=replace_pictures)
        thread.start()
        try:
            for number in range(5):
                back_up(home, tmp_path / f"archive-{number}", 0, silent)
        finally:
            over.set()
            thread.join()
    for number in range(5):
        again = StatePaths(tmp_path / f"again-{number}")
        restore(again, tmp_path / f"archive-{number}")
        with closing(ItemLog(again.item_log, again.uploads)) as log:
            media = [log.file(media) for item in log.since(0) for media in item.media.values()]
        # One more where the next picture was there already and its item was not yet.
        assert {path.name for path in media} <= {path.name for path in again.uploads.glob("*")}


def test_a_run_is_waited_for_and_named(home: StatePaths, tmp_path: Path) -> None:
    holding, asked = threading.Event(), threading.Event()
    said: list[str] = []

    def run() -> None:
        with home_lock(home, what="Dagster run", run_id="1f2e"):
            holding.set()
            asked.wait(60)

    def say(sentence: str) -> None:
        said.append(sentence)
        asked.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert holding.wait(60)
    back_up(home, tmp_path / "archive", 60, say)
    thread.join()
    assert len(said) == 1 and "Dagster run 1f2e" in said[0] and str(home.home) in said[0]
    verify_archive(tmp_path / "archive")


@pytest.mark.parametrize("work", ["run", "backup"])
def test_what_does_not_end_in_time_is_named(home: StatePaths, tmp_path: Path, work: str) -> None:
    with home_lock(home, work), pytest.raises(HomeBusyError, match=f"Another {work} works"):
        back_up(home, tmp_path / "archive", 0, silent)
    assert not (tmp_path / "archive").exists()


def test_a_run_that_was_killed_is_cleared_up_before_the_copy(
    home: StatePaths, tmp_path: Path
) -> None:
    with open_instance(home) as instance:
        killed = dg.DagsterRun(
            job_name="everything",
            status=dg.DagsterRunStatus.STARTED,
            tags={CLI_RUN_TAG: "true"},
        )
        instance.add_run(killed)
    (home.lake / ".half.parquet.tmp").write_bytes(b"half")
    back_up(home, tmp_path / "archive", 0, silent)
    with open_instance(home) as instance:
        ended = instance.get_run_by_id(killed.run_id)
    assert ended is not None and ended.status == dg.DagsterRunStatus.FAILURE
    assert not any("half" in file.path for file in verify_archive(tmp_path / "archive").files)


def test_a_signal_ends_a_backup_that_waits_and_leaves_nothing(
    home: StatePaths, archive: Path
) -> None:
    before = archive.read_bytes()
    with home_lock(home):
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestration.cli", "backup", archive],
            env=os.environ | {"CROSSMODAL_HOME": str(home.home)},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        with process.stderr as said:
            assert said.readline().startswith("Waits until it can work alone")
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 143
    assert archive.read_bytes() == before
    assert not list(home.home.glob(".backup-*"))


def test_what_a_killed_backup_left_is_removed_and_in_no_archive(
    home: StatePaths, tmp_path: Path
) -> None:
    shutil.copytree(home.lake, home.home / ".backup-killed" / "lake")
    back_up(home, tmp_path / "archive", 0, silent)
    assert not any("backup" in file.path for file in verify_archive(tmp_path / "archive").files)
    assert not (home.home / ".backup-killed").exists()


def test_an_archive_within_the_home_and_a_home_of_nothing_are_refused(
    home: StatePaths, tmp_path: Path
) -> None:
    with pytest.raises(NoStateError, match="name a file outside"):
        back_up(home, home.home / "archive", 0, silent)
    with pytest.raises(NoStateError, match="CROSSMODAL_HOME"):
        back_up(StatePaths(tmp_path / "none"), tmp_path / "archive", 0, silent)
    assert not (tmp_path / "none").exists()


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


def test_a_full_disk_is_said_and_leaves_nothing(
    home: StatePaths, archive: Path, tmp_path: Path
) -> None:
    (home.lake / "noise.parquet").write_bytes(os.urandom(4 << 20))
    disk = tmp_path / "disk"
    disk.mkdir()
    done = on_small_disk(disk, "true")
    if done.returncode:
        pytest.skip(f"no small disk can be had without root: {done.stderr.strip()}")
    kept = f"cmp {archive} {disk}/archive; ls -A {disk}"
    backup = f"{sys.executable} -m orchestration.cli backup {disk}/archive"
    script = f"cp {archive} {disk}/archive && {backup}; echo $?; {kept}"
    done = on_small_disk(disk, script, CROSSMODAL_HOME=home.home)
    assert done.stdout.split() == ["1", "archive"], done.stderr
    assert "No space left on device" in done.stderr and "Traceback" not in done.stderr
    back_up(home, archive, 0, silent)
    restored = f"{sys.executable} -m orchestration.cli restore {archive}"
    done = on_small_disk(disk, f"{restored}; echo $?; ls -A {disk}", CROSSMODAL_HOME=disk / "again")
    assert done.stdout.split() == ["1"], done.stderr
    assert "make room" in done.stderr and "Traceback" not in done.stderr


def on_small_disk(
    disk: Path, script: str, **variables: object
) -> "subprocess.CompletedProcess[str]":
    """Runs a script that sees a disk of one MiB in a folder, in a user namespace of its own."""
    mounted = f"mount -t tmpfs -o size=1m none {disk} && {{ {script}; }}"
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounted],
        env={**os.environ, **{name: str(value) for name, value in variables.items()}},
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_the_commands_say_what_they_did(
    home: StatePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = call("backup", "a.tar.zst", CROSSMODAL_HOME=home.home)
    assert code == 0 and "Written and read back: a.tar.zst" in output
    assert "secret key of the users' pseudonyms (id.key)" in output
    code, output = call("backup", "a.tar.zst", CROSSMODAL_HOME=home.home, CROSSMODAL_ID_KEY="x")
    assert code == 0 and "CROSSMODAL_ID_KEY, which is not in it" in output
    code, output = call("backup", "a.tar.zst", "--verify")
    assert code == 0 and output.startswith("Whole: a.tar.zst")
    code, output = call("restore", "a.tar.zst", CROSSMODAL_HOME=home.home)
    assert code == 1 and "is not empty" in output
    code, output = call("restore", "a.tar.zst", CROSSMODAL_HOME=tmp_path / "again")
    assert code == 0 and f"Restored to {tmp_path / 'again'}" in output
    (tmp_path / "a.tar.zst").write_bytes(b"damaged")
    for words in (("backup", "a.tar.zst", "--verify"), ("restore", "a.tar.zst")):
        code, output = call(*words, CROSSMODAL_HOME=tmp_path / "third")
        assert code == 1 and len(output.splitlines()) == 1
        assert output.startswith("a.tar.zst is damaged")


def test_one_line_says_what_is_not_in_the_archive(
    home: StatePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mapping.yaml").touch()
    outside = {"CROSSMODAL_SOURCE": "tables", "CROSSMODAL_SOURCE_PATH": tmp_path / "mapping.yaml"}
    code, output = call("backup", tmp_path / "a", CROSSMODAL_HOME=home.home, **outside)
    assert code == 0 and "mapping.yaml lies outside the home" in output


def test_a_restored_home_without_its_key_says_so(
    copied_key_home: StatePaths, tmp_path: Path
) -> None:
    back_up(copied_key_home, tmp_path / "archive", 0, silent)
    code, output = call("restore", tmp_path / "archive", CROSSMODAL_HOME=tmp_path / "again")
    assert code == 0 and "set CROSSMODAL_ID_KEY if the key was there" in output


@pytest.fixture
def copied_key_home(home: StatePaths) -> StatePaths:
    """A home whose key was a setting."""
    home.id_key.unlink()
    return home

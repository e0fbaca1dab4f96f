"""Backups of homes that work."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import dagster as dg
import pytest
from backed_up_homes import acknowledged, call, event, files_of, silent

from crossmodal.archives import verify_archive
from crossmodal.event_log import EventLog
from crossmodal.home_lock import HomeBusyError, home_lock
from crossmodal.item_log import ItemLog
from crossmodal.logged_items import Description, Vector
from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from orchestration.backup import NoStateError, back_up
from orchestration.instance import CLI_RUN_TAG, open_instance
from orchestration.restore import restore


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

"""Stores that grow, fill their disk, are locked or moved: bounded, and said in words."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from crossmodal.durable import MOST_LOG_BYTES
from crossmodal.event_log import EventLog, LoggedEvent, last_position, read_log
from crossmodal.item_log import ItemLog
from crossmodal.logged_items import Description, Vector

in_time = retry(
    retry=retry_if_exception_type(AssertionError),
    stop=stop_after_delay(60),
    wait=wait_fixed(0.05),
    reraise=True,
)
BATCH = 500


def batch(number: int) -> list[LoggedEvent]:
    """Half a megabyte of reviews."""
    return [
        LoggedEvent(f"{number}-{place}", "ada", "a", "review", None, "x" * 1000, None, place)
        for place in range(BATCH)
    ]


def log_bytes(path: Path) -> int:
    written_ahead = path.with_name(f"{path.name}-wal")
    return written_ahead.stat().st_size if written_ahead.exists() else 0


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Somebody who reads the file for as long as the block takes."""
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield


def test_a_long_reader_leaves_no_long_log_behind(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    log = EventLog(path)
    with reading(path):
        for number in range(40):
            log.append(batch(number)).result()
        assert log_bytes(path) > MOST_LOG_BYTES, "the reader needs it"

    @in_time
    def cut() -> None:
        assert log_bytes(path) <= MOST_LOG_BYTES, "though nothing more is written"

    cut()
    assert last_position(path) == 40 * BATCH
    log.close()
    assert log_bytes(path) == 0


def test_a_copy_into_the_lake_keeps_no_log_from_being_cut(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    log = EventLog(path)
    log.append(batch(0)).result()
    copy = read_log(path, up_to=BATCH, rows=100)
    found = len(next(copy))
    for number in range(1, 60):
        log.append(batch(number)).result()
    assert log_bytes(path) <= MOST_LOG_BYTES + 4_000_000, "SQLite itself cuts it at 4 MB at best"
    assert found + sum(map(len, copy)) == BATCH, "and the copy is of what was there"
    log.close()


def test_items_leave_no_long_log_behind(tmp_path: Path) -> None:
    path = tmp_path / "items.db"
    log = ItemLog(path, tmp_path / "media")
    large = Vector("tower", bytes(1_000_000))

    def put(number: int) -> None:
        log.put(str(number), Description("t", "", (), 0), large, known=False)

    with reading(path):
        for number in range(12):
            put(number)
        assert log_bytes(path) > MOST_LOG_BYTES

    @in_time
    def cut() -> None:
        put(0)
        assert log_bytes(path) <= MOST_LOG_BYTES

    cut()
    assert len(log.since(0)) == 12
    log.close()


def test_a_locked_or_moved_log_says_so_until_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "home" / "events.db"
    log = EventLog(path)
    assert log.why_unwritable() is None

    @in_time
    def said(words: str | None) -> None:
        why = log.why_unwritable()
        assert (why is None) if words is None else (why is not None and words in why)
        assert why is None or str(tmp_path) not in why, "callers are shown no path"

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        said("locks the file")
        other.execute("ROLLBACK")
    said(None)
    path.rename(tmp_path / "away.db")
    said("moved or deleted")
    with pytest.raises(sqlite3.OperationalError):
        log.append(batch(0)).result()
    (tmp_path / "away.db").rename(path)
    said(None)
    assert log.append(batch(0)).result() == BATCH
    log.close()
    lines = [record.getMessage() for record in caplog.records]
    assert sum("moved or deleted" in line for line in lines) == 1, "once, however often it is asked"
    assert all(str(path) in line for line in lines), "the operator is"
    assert sum(line.endswith("again.") for line in lines) == 2


FULL_DISK = """
import resource, sys
from pathlib import Path
from crossmodal.event_log import EventLog, LoggedEvent

def tried(number):
    one = LoggedEvent(str(number), "ada", "a", "click", None, "x" * 10_000, None, 1)
    try:
        return log.append([one]).result()
    except Exception as error:
        return type(error).__name__

log = EventLog(Path(sys.argv[1]))
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1, unlimited[1]))
failed = [tried(number) for number in range(3)]
why = log.why_unwritable()
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
print(failed, why, tried(4), log.why_unwritable(), sep="|")
log.close()
"""


def test_a_disk_that_takes_no_more_is_said_once_and_written_again_later(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    ended = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True
    )
    failed, why, later, then = ended.stdout.strip().split("|")
    assert failed == str(["OperationalError"] * 3) and "disk" in why
    assert later == "1" and then == "None"
    lines = ended.stderr.splitlines()
    assert len(lines) == 2 and all(str(path) in line for line in lines)
    assert "cannot be written" in lines[0] and "again" in lines[1]

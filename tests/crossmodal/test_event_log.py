"""The event log on real files: durable, counted once, read by every process."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from crossmodal.event_log import EventLog, LoggedEvent, last_position, read_log, require_usable
from crossmodal.group_commit import LogClosedError, QueueFullError


def event(name: str, user: str = "ada", item: str = "a") -> LoggedEvent:
    return LoggedEvent(name, user, item, "click", None, None, None, 1_000_000)


def test_a_repeated_id_counts_once_whichever_process_sends_it(tmp_path: Path) -> None:
    first, second = EventLog(tmp_path / "events.db"), EventLog(tmp_path / "events.db")
    assert first.append([event("1"), event("2"), event("1")]).result() == 2
    assert second.append([event("2", item="b"), event("3")]).result() == 1
    assert [one.event_id for one in first.acts_of_user("ada")] == ["1", "2", "3"]
    assert first.acts_of_user("ada")[1].item_id == "a", "the first report of an id stands"
    assert second.acts_of_user("grace") == []
    first.close()
    second.close()


def test_many_threads_lose_nothing_and_keep_the_order_of_each(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.db")

    def report(user: str) -> None:
        for number in range(50):
            log.append([event(f"{user}-{number}", user)]).result()

    users = [f"user-{number}" for number in range(8)]
    threads = [threading.Thread(target=report, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    again = EventLog(tmp_path / "events.db")
    for user in users:
        found = [one.event_id for one in again.acts_of_user(user)]
        assert found == [f"{user}-{number}" for number in range(50)]
    again.close()


def test_an_event_that_cannot_be_written_costs_those_of_others_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    log = EventLog(path)
    bad = [
        replace(event("too late"), event_timestamp=2**70),
        replace(event("no text"), item_id=[]),  # type: ignore[arg-type]
        replace(event("no item"), item_id=None),  # type: ignore[arg-type]
    ]
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        # Whatever is sent while another process holds the file shares the commit that follows.
        other.execute("BEGIN IMMEDIATE")
        sent = [log.append([one]) for one in [event("1"), event("2"), *bad, event("3")]]
        other.execute("ROLLBACK")
    assert [sent[place].result() for place in (0, 1, 5)] == [1, 1, 1]
    for refused in sent[2:5]:
        with pytest.raises((OverflowError, sqlite3.Error)):
            refused.result()
    assert [one.event_id for one in log.acts_of_user("ada")] == ["1", "2", "3"]
    assert log.why_unwritable() is None
    log.close()


def test_a_log_that_was_moved_away_is_not_made_again_by_a_reader(tmp_path: Path) -> None:
    path, away = tmp_path / "events.db", tmp_path / "away.db"
    log = EventLog(path)
    log.append([event("1")]).result()
    path.rename(away)
    errors: list[Exception] = []

    def read() -> None:
        try:
            log.acts_of_user("ada")
        except sqlite3.Error as error:
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert len(errors) == 1 and not path.exists()
    away.rename(path)
    assert [one.event_id for one in log.acts_of_user("ada")] == ["1"]
    log.close()


def test_an_empty_file_in_place_of_a_log_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "events.db"
    require_usable(path)
    assert not caplog.messages, "there was none"
    emptied = tmp_path / "emptied.db"
    emptied.write_bytes(b"")
    require_usable(emptied)
    assert f"{emptied} is empty" in caplog.text


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    script = f"""
import os, signal, sys
from pathlib import Path
from crossmodal.event_log import EventLog, LoggedEvent
log = EventLog(Path({str(path)!r}))
for number in range(1000):
    one = LoggedEvent(str(number), "ada", "a", "click", None, None, None, 1)
    log.append([one]).result()
    print(number, flush=True)
    if number == 40:
        os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    acknowledged = ended.stdout.split()
    assert len(acknowledged) == 41
    log = EventLog(path)
    assert [one.event_id for one in log.acts_of_user("ada")] == acknowledged
    log.close()


def test_a_closed_log_and_a_full_queue_say_so(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.db", most_waiting=1)
    taken, refused = [], 0
    for number in range(3000):
        try:
            taken.append(log.append([event(f"{number}-{part}") for part in range(20)]))
        except QueueFullError:
            refused += 1
    assert refused and sum(future.result() for future in taken) == 20 * len(taken)
    assert len(log.acts_of_user("ada")) == 20 * len(taken)
    log.close()
    log.close()
    with pytest.raises(LogClosedError):
        log.append([event("late")])


def test_what_is_undone_is_no_event_and_stays_undone(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    log, other = EventLog(path), EventLog(path)
    review = LoggedEvent("2", "ada", "b", "review", 4.0, "my own words", "r", 2_000_000)
    log.append([event("1"), review, event("3", item="c")]).result()
    before = log.last_of_user("ada")

    assert other.undo("2").result() == 1
    assert other.undo("2").result() == 1, "it is undone already"
    assert other.undo("4").result() == 0, "there is no such event"
    assert log.append([review]).result() == 0, "sent again, it stays undone"

    acts = log.acts_of_user("ada")
    assert [(act.event_id, act.event_type) for act in acts] == [
        ("1", "click"),
        ("3", "click"),
        ("2", "undone"),
    ]
    left = acts[-1]
    assert (left.item_id, left.event_timestamp) == ("b", 2_000_000)
    assert (left.value, left.text, left.request_id) == (None, None, None)
    assert log.last_of_user("ada") == last_position(path) > before, "readers hear of it"
    log.close()
    other.close()


def test_an_undone_impression_is_not_counted(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.db")
    shown = [
        LoggedEvent(name, "ada", "a", "impression", None, None, None, 1) for name in ("1", "2")
    ]
    log.append(shown).result()
    assert log.undo("1").result() == 1
    assert log.impressions_of(["a"]) == {"a": 1}
    log.close()


def test_a_file_of_an_older_release_keeps_its_events_and_takes_ranks(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with closing(sqlite3.connect(path)) as older:
        older.execute(
            "CREATE TABLE events (position INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT "
            "NULL UNIQUE, user_id TEXT NOT NULL, item_id TEXT NOT NULL, event_type TEXT NOT NULL, "
            "value REAL, text TEXT, request_id TEXT, event_timestamp INTEGER NOT NULL)"
        )
        older.execute("INSERT INTO events VALUES (1, '1', 'ada', 'a', 'like', 2, 'x', 'r', 3)")
        older.commit()
    ((position, *fields),) = next(read_log(path, 1))
    assert (position, LoggedEvent(*fields).rank) == (1, None), "a run reads it as it is"
    for _ in range(2):
        with closing(EventLog(path)) as log:
            log.append([replace(event("2"), rank=4)]).result()
            first, second = log.acts_of_user("ada")
        assert first == LoggedEvent("1", "ada", "a", "like", 2.0, "x", "r", 3)
        assert second == replace(event("2"), rank=4)
    assert [row[-1] for row in next(read_log(path, 2))] == [None, 4]

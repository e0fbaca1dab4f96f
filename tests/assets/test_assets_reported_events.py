"""The copy of the log in the lake: what it holds of logs that were moved away or put back."""

import shutil
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from small_platform import small_settings

from assets.reported_events import copy_log, reported_months
from crossmodal.event_log import EventLog, LoggedEvent, log_end, position_in
from crossmodal.log_position import LogPosition
from crossmodal.published_events import published
from crossmodal.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(small_settings(tmp_path / "home"))


def event(number: int) -> LoggedEvent:
    return LoggedEvent(f"e{number}", "ada", "a", "review", None, "words", None, number)


def report(workspace: Workspace, *numbers: int) -> None:
    with closing(EventLog(workspace.paths.event_log)) as log:
        log.append([event(number) for number in numbers]).result()


def undo(workspace: Workspace, name: str) -> None:
    with closing(EventLog(workspace.paths.event_log)) as log:
        assert log.undo(name).result() == 1


def take(workspace: Workspace) -> pl.DataFrame:
    copy_log(workspace, log_end(workspace.paths.event_log), {})
    return workspace.lake.read("reported_events")


def move_away(workspace: Workspace, to: Path | None = None) -> None:
    for path in workspace.paths.event_log.parent.glob("events.db*"):
        if to is None:
            path.unlink()
        else:
            to.mkdir(exist_ok=True)
            shutil.move(path, to)


def test_a_new_log_adds_to_what_the_lake_has_of_the_former_one(workspace: Workspace) -> None:
    report(workspace, 1, 2, 3)
    take(workspace)
    recorded = published(workspace.lake).position
    move_away(workspace)
    assert take(workspace)["event_id"].to_list() == ["e1", "e2", "e3"], "there is no log"

    # As many as before, so that the numbers alone say that nothing is new.
    report(workspace, 4, 5, 2)
    assert position_in(workspace.paths.event_log, recorded) == 0
    for _ in range(2):
        found = take(workspace)
        rows = found.select("event_id", "position").rows()
        assert rows == [("e1", None), ("e3", None), ("e4", 1), ("e5", 2), ("e2", 3)]
    undo(workspace, "e4")
    report(workspace, 6)
    kinds = dict(take(workspace).select("event_id", "event_type").iter_rows())
    assert kinds == {**{f"e{number}": "review" for number in (1, 2, 3, 5, 6)}, "e4": "undone"}


def test_an_older_copy_of_the_log_takes_nothing_from_the_lake(
    workspace: Workspace, tmp_path: Path
) -> None:
    report(workspace, 1, 2)
    shutil.copytree(workspace.paths.event_log.parent, tmp_path / "backup")
    report(workspace, 3, 4)
    undo(workspace, "e1")
    take(workspace)
    move_away(workspace)
    shutil.copytree(tmp_path / "backup", workspace.paths.event_log.parent, dirs_exist_ok=True)
    report(workspace, 5, 6, 7, 8)
    for _ in range(2):
        found = take(workspace)
        ids = sorted(found["event_id"])
        assert ids == [f"e{number}" for number in range(1, 9)]
        assert found.filter(event_type="undone")["event_id"].to_list() == ["e1"], "it stays so"
    assert found.filter(event_id="e1")["text"].to_list() == [None]


def test_a_table_that_does_not_say_of_which_log_it_is_loses_nothing(workspace: Workspace) -> None:
    report(workspace, 1, 2)
    undo(workspace, "e1")
    same = take(workspace)
    workspace.lake.write("reported_events", same, {}, position=3)
    assert take(workspace).equals(same), "an older version wrote it, of this log"
    workspace.lake.write("reported_events", same, {}, position=3)
    move_away(workspace)
    report(workspace, 4, 5, 6, 7)
    assert set(take(workspace)["event_id"]) == {"e1", "e2", "e4", "e5", "e6", "e7"}


def test_months_of_a_former_log_are_read_again(workspace: Workspace) -> None:
    report(workspace, 1)
    take(workspace)
    move_away(workspace)
    assert reported_months(workspace) == {"1970-01"}


def test_an_undone_event_does_not_hide_where_its_log_was_taken(workspace: Workspace) -> None:
    path = workspace.paths.event_log
    report(workspace, 1, 2)
    recorded = log_end(path)
    assert recorded == LogPosition(2, "e2")
    undo(workspace, "e2")
    assert position_in(path, recorded) == 2 and position_in(path, log_end(path)) == 3
    assert position_in(path, LogPosition(2)) == 2 and position_in(path, LogPosition(4)) == 0

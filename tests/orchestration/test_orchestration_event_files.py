"""Files of events in a watched folder: each counts once, and a bad one keeps nobody waiting."""

import gzip
import json
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_platform import small_settings

from crossmodal.event_log import EventLog, LoggedEvent, last_position, read_log
from crossmodal.item_log import ItemLog
from crossmodal.logged_items import Description, Vector
from crossmodal.pseudonyms import pseudonym
from crossmodal.workspace import Workspace
from orchestration import event_files
from orchestration.definitions import build_definitions
from orchestration.instance import open_instance
from orchestration.watched_folder import Cursor, look, read_cursor

AT = "2026-01-31T18:00:00Z"
KEY = b"a key for tests"


def home(folder: Path) -> Workspace:
    (folder / "in").mkdir(parents=True)
    chosen = small_settings(folder / "home", unattended_events_folder=folder / "in")
    workspace = Workspace(chosen)
    workspace.lake.write("items", pl.DataFrame({"item_id": ["a", "b", "7"]}), {})
    return workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return home(tmp_path)


def folder_of(workspace: Workspace) -> Path:
    folder = workspace.settings.unattended_events_folder
    assert folder is not None
    return folder


def lines(*rows: dict[str, object]) -> str:
    told = (
        {"user_id": "ada", "item_id": "a", "type": "click", "timestamp": AT, **row} for row in rows
    )
    return "".join(f"{json.dumps(row)}\n" for row in told)


def logged(workspace: Workspace) -> list[LoggedEvent]:
    log = workspace.paths.event_log
    batches = read_log(log, last_position(log))
    return [LoggedEvent(*row[1:]) for batch in batches for row in batch]


def settled(workspace: Workspace, before: Cursor | None = None) -> Cursor:
    """After two looks, of which the second takes what the first has found."""
    first = look(workspace, folder_of(workspace), before or Cursor())
    return look(workspace, folder_of(workspace), first.cursor).cursor


def as_csv(path: Path) -> None:
    path.write_text(
        f'user_id,item_id,type,value,timestamp\nada,a,rating,4.5,{AT}\n"b,ob", b ,click,,{AT}\n'
    )


def as_packed_csv(path: Path) -> None:
    as_csv(path)
    path.write_bytes(gzip.compress(path.read_bytes().replace(b"\n", b"\r\n")))


def as_json_lines(path: Path) -> None:
    path.write_text(
        lines({"type": "rating", "value": 4.5}, {"user_id": "b,ob", "item_id": "b", "value": None})
    )


def as_parquet(path: Path) -> None:
    rows = {
        "user_id": ["ada", "b,ob"],
        "item_id": ["a", "b"],
        "type": ["rating", "click"],
        "value": [4.5, None],
        "timestamp": [datetime(2026, 1, 31, 18, tzinfo=UTC)] * 2,
    }
    pl.DataFrame(rows).write_parquet(path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("e.csv", as_csv),
        ("e.csv.gz", as_packed_csv),
        ("e.jsonl", as_json_lines),
        ("e.parquet", as_parquet),
    ],
)
def test_every_format_says_the_same(
    workspace: Workspace, name: str, write: Callable[[Path], None]
) -> None:
    write(folder_of(workspace) / name)
    cursor = settled(workspace)
    first, second = logged(workspace)
    instant = int(datetime(2026, 1, 31, 18, tzinfo=UTC).timestamp()) * 1_000_000
    sha256 = cursor.files[name].taken
    assert first == LoggedEvent(
        f"{sha256[:32]}-1", pseudonym("ada", KEY), "a", "rating", 4.5, None, None, instant
    )
    assert (second.user_id, second.item_id, second.value) == (pseudonym("b,ob", KEY), "b", None)
    assert second.event_id == f"{sha256[:32]}-2"
    again = look(workspace, folder_of(workspace), cursor)
    assert again.cursor == cursor and not again.taken
    settled(workspace)
    assert len(logged(workspace)) == 2, "a cursor that was lost has nothing counted twice"


def test_a_file_is_left_alone_until_it_is_complete(workspace: Workspace) -> None:
    folder = folder_of(workspace)
    growing = folder / "growing.jsonl"
    cursor = Cursor()
    for rows in (1, 2, 3):
        growing.write_text(lines(*({"event_id": f"g{row}"} for row in range(rows))))
        found = look(workspace, folder, cursor)
        cursor = found.cursor
        assert found.waiting == ["growing.jsonl"] and not logged(workspace)
    marked = folder / "marked.csv"
    as_csv(marked)
    (folder / "marked.csv.done").touch()
    found = look(workspace, folder, cursor)
    assert found.taken == ["growing.jsonl", "marked.csv"] and found.events == 5
    marker = (folder / "marked.csv.done").stat().st_mtime_ns
    marked.write_text(marked.read_text() + "half a ro")
    os.utime(marked, ns=(marker + 1, marker + 1))
    late = look(workspace, folder, found.cursor)
    assert late.waiting == ["marked.csv"] and not late.refused, "the marker was of what was taken"
    as_csv(marked)
    os.utime(marked, ns=(marker, marker))
    for name in (".hidden.csv", "_aside.csv", "upload.csv.part", "notes.md"):
        as_csv(folder / name)
    (folder / "link.csv").symlink_to(marked)
    assert set(settled(workspace, found.cursor).files) == {"growing.jsonl", "marked.csv"}


def test_a_marker_of_a_former_file_says_nothing_of_the_next_one(workspace: Workspace) -> None:
    folder = folder_of(workspace)
    daily, marker = folder / "daily.jsonl", folder / "daily.jsonl.done"
    daily.write_text(lines({}))
    marker.touch()
    found = look(workspace, folder, Cursor())
    assert found.taken == ["daily.jsonl"]
    daily.write_text(lines({"user_id": "x"}))
    os.utime(marker, (1, 1))
    found = look(workspace, folder, found.cursor)
    assert found.waiting == ["daily.jsonl"], "half of the next day's file"
    daily.write_text(lines({"user_id": "x"}, {"user_id": "y"}))
    marker.touch()
    assert look(workspace, folder, found.cursor).taken == ["daily.jsonl"]
    assert len(logged(workspace)) == 3


BAD = {
    "no-item.jsonl": (lines({}, {"item_id": "unknown"}), "Row 2: item_id: The catalogue has no"),
    "no-time.jsonl": (lines({"timestamp": None}), "Row 1: timestamp: Each row needs"),
    "no-zone.jsonl": (lines({"timestamp": "2026-01-31T18:00:00"}), "Row 1: timestamp: The time"),
    "future.jsonl": (lines({"timestamp": "2999-01-01T00:00:00Z"}), "more than five minutes"),
    "hide.jsonl": (lines({"type": "hide", "value": 1}), "Row 1: value: A hide has no value"),
    "what.jsonl": (lines({"stars": 5}), "Row 1: There is no field 'stars'"),
    "broken.jsonl": (lines({}) + "{no json\n", "Row 2: row: this line is no JSON object"),
    "word.csv": (
        f"user_id,item_id,type,value,timestamp\nada,a,rating,good,{AT}\n",
        "Row 1: value: A number is needed",
    ),
    "empty.csv": ("", "empty.csv is empty"),
    "headless.csv": ("user_id,item_id,type,timestamp\n", "no row"),
    "no.parquet": ("PAR1", "no.parquet"),
}


def test_a_bad_file_is_set_aside_with_its_reason_and_the_others_are_taken(
    workspace: Workspace,
) -> None:
    folder = folder_of(workspace)
    for name, (content, _) in BAD.items():
        (folder / name).write_text(content)
    as_csv(folder / "z-good.csv")
    first = look(workspace, folder, Cursor())
    found = look(workspace, folder, first.cursor)
    assert found.taken == ["z-good.csv"] and found.refused == sorted(BAD)
    assert set(found.cursor.files) == {"z-good.csv"} and len(logged(workspace)) == 2
    for name, (content, why) in BAD.items():
        assert (folder / "refused" / name).read_text() == content
        reason = (folder / "refused" / f"{name}.reason.txt").read_text()
        assert why in reason and "/tmp" not in reason and "ada" not in reason
    mended = folder / "no-item.jsonl"
    mended.write_text(lines({}, {"item_id": "b"}))
    settled(workspace, found.cursor)
    assert len(logged(workspace)) == 4


def test_a_file_that_no_look_has_the_time_for_is_refused(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_files, "_MOST_ROWS", 3)
    folder = folder_of(workspace)
    for rows in (3, 4):
        written = lines(*({"user_id": f"{rows} {row}"} for row in range(rows)))
        (folder / f"{rows}.jsonl").write_text(written)
    settled(workspace)
    assert len(logged(workspace)) == 3
    assert "more than 3 rows" in (folder / "refused" / "4.jsonl.reason.txt").read_text()


def test_a_refused_file_takes_the_place_of_no_other(workspace: Workspace) -> None:
    folder = folder_of(workspace)
    for item in ("x", "y", "z"):
        (folder / "daily.jsonl.gz").write_bytes(gzip.compress(lines({"item_id": item}).encode()))
        settled(workspace)
    for name, item in (("daily", "x"), ("daily-2", "y"), ("daily-3", "z")):
        content = gzip.decompress((folder / "refused" / f"{name}.jsonl.gz").read_bytes())
        reason = (folder / "refused" / f"{name}.jsonl.gz.reason.txt").read_text()
        assert json.loads(content)["item_id"] == item and f"no item '{item}'" in reason


def test_a_file_that_cannot_be_read_keeps_nobody_waiting_and_is_named_in_the_log(
    workspace: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of(workspace)
    # What a system with another encoding of names may have written.
    as_csv(Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.csv")))
    # Where reasons go, there is a file.
    (folder / "refused").touch()
    (folder / "bad.csv").write_text("PK")
    as_csv(folder / "good.csv")
    cursor: str | None = None
    with open_instance(workspace.paths) as instance:
        sensor = build_definitions(workspace).get_sensor_def("event_files")
        for _ in range(2):
            done = sensor.evaluate_tick(dg.build_sensor_context(instance, cursor=cursor))
            cursor = done.cursor
    assert "1 taken, 0 set aside, 0 waiting, 2 unreadable" in (done.skip_message or "")
    assert len(logged(workspace)) == 2
    said = capfd.readouterr().err
    assert "caf" in said and "UTF-8" in said and "bad.csv: " in said


def test_a_file_that_grew_after_it_was_taken_counts_no_row_twice(workspace: Workspace) -> None:
    folder = folder_of(workspace)
    daily = folder / "daily.jsonl"
    daily.write_text(lines({}, {"item_id": "b"}))
    cursor = settled(workspace)
    daily.touch()
    cursor = settled(workspace, cursor)
    assert len(logged(workspace)) == 2, "only its time changed"
    daily.write_text(lines({"item_id": 7}, {"user_id": "x"}))
    cursor = settled(workspace, cursor)
    assert [event.item_id for event in logged(workspace)][2:] == ["7", "a"], "another day's"
    with daily.open("a") as file:
        file.write(lines({"user_id": "y"}))
    assert settled(workspace, cursor).files == {} and len(logged(workspace)) == 4
    assert "has grown since" in (folder / "refused" / "daily.jsonl.reason.txt").read_text()


def test_what_only_an_app_has_put_is_known_and_a_known_event_counts_once(
    workspace: Workspace,
) -> None:
    with closing(ItemLog(workspace.paths.item_log, workspace.paths.uploads)) as items:
        items.put("new", Description("t", "", (), 0), Vector("f", b""), known=False)
        items.delete("b", known=True)
    with closing(EventLog(workspace.paths.event_log)) as log:
        log.append([LoggedEvent("e1", "u", "a", "click", None, None, None, 1)]).result()
    folder = folder_of(workspace)
    (folder / "one.jsonl").write_text(lines({"event_id": "e1"}, {"item_id": "new"}))
    (folder / "two.jsonl").write_text(lines({"item_id": "b"}))
    settled(workspace)
    assert [event.item_id for event in logged(workspace)] == ["a", "new"]
    assert (folder / "refused" / "two.jsonl").exists()


def test_time_that_is_up_leaves_the_rest_to_the_next_look(workspace: Workspace) -> None:
    folder = folder_of(workspace)
    for name in "abc":
        (folder / f"{name}.jsonl").write_text(lines({}))
    seconds = iter([0.0, 1.0, 25.0, 26.0])
    first = look(workspace, folder, Cursor())
    found = look(workspace, folder, first.cursor, clock=lambda: next(seconds))
    assert found.taken == ["a.jsonl"] and found.waiting == ["b.jsonl", "c.jsonl"]
    assert look(workspace, folder, found.cursor).taken == ["b.jsonl", "c.jsonl"]


def test_the_sensor_takes_files_and_keeps_its_cursor(workspace: Workspace) -> None:
    as_csv(folder_of(workspace) / "e.csv")
    (folder_of(workspace) / "bad.csv").write_text("PK")

    def tick(cursor: str | None) -> tuple[str | None, str]:
        with open_instance(workspace.paths) as instance:
            sensor = build_definitions(workspace).get_sensor_def("event_files")
            done = sensor.evaluate_tick(dg.build_sensor_context(instance, cursor=cursor))
        return done.cursor, done.skip_message or ""

    first, said = tick(None)
    assert "2 waiting" in said and not logged(workspace)
    second, said = tick(first)
    assert "1 taken, 1 set aside" in said and "new events: 2" in said
    # The process ended after the import and before the daemon kept the cursor.
    third, said = tick(first)
    assert "1 taken" in said and "new events: 0" in said and len(logged(workspace)) == 2
    assert read_cursor(third) == read_cursor(second) and read_cursor("no cursor") == Cursor()
    assert tick(third)[0] == third
    shutil.rmtree(folder_of(workspace))
    assert "no folder" in tick(third)[1]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("file"), st.integers(0, 3), st.integers(1, 4)),
        st.tuples(st.just("look"), st.booleans(), st.just(0)),
    ),
    max_size=10,
)


@settings(max_examples=30)
@given(steps=STEPS)
def test_each_row_counts_once_whatever_becomes_of_the_cursor(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    workspace = home(tmp_path_factory.mktemp("folder"))
    folder = folder_of(workspace)
    cursor, wanted = Cursor(), 0
    for number, (what, choice, rows) in enumerate(steps):
        if what == "file":
            written = lines(*({"user_id": f"{number} {row}"} for row in range(rows)))
            (folder / f"{number}-{choice}.jsonl").write_text(written)
            wanted += rows
        else:
            found = look(workspace, folder, cursor)
            cursor = cursor if choice else found.cursor
    settled(workspace, cursor)
    users = [event.user_id for event in logged(workspace)]
    assert len(users) == len(set(users)) == wanted

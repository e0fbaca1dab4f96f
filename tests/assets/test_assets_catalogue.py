"""One catalogue of the source's items and of those that apps put, and what the lake has of them."""

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_platform import small_settings

from assets.catalogue import catalogue, catalogue_ids, catalogue_media, without_deleted
from assets.reported_items import copied_up_to, copy_items
from assets.stage import filled
from crossmodal.item_log import ItemLog
from crossmodal.item_states import ItemsEnd, item_states, items_end
from crossmodal.lake import Lake
from crossmodal.logged_items import Description, Vector
from crossmodal.workspace import Workspace
from sources.protocol import ITEMS

WORDS = Vector("f", b"")
EARLY, LATE = (datetime(year, 1, 1, tzinfo=UTC) for year in (2001, 2020))
MICROSECONDS = int(datetime(2010, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(small_settings(tmp_path / "home"))


def put(workspace: Workspace, item: str, title: str = "put", **named: float) -> None:
    with closing(ItemLog(workspace.paths.item_log, workspace.paths.uploads)) as log:
        told = Description(title, "words", ("a", "b"), MICROSECONDS, named)
        log.put(item, told, WORDS, known=True)


def put_media(workspace: Workspace, item: str, kind: str, data: bytes) -> str:
    with closing(ItemLog(workspace.paths.item_log, workspace.paths.uploads)) as log:
        return log.put_media(item, kind, f"{kind}/x", data, {}, known=True).sha256


def delete(workspace: Workspace, item: str) -> None:
    with closing(ItemLog(workspace.paths.item_log, workspace.paths.uploads)) as log:
        log.delete(item, known=True)


def take(workspace: Workspace) -> pl.DataFrame:
    copy_items(workspace.lake, workspace.paths.item_log, {})
    return workspace.lake.read("reported_items")


def stage(lake: Lake, *rows: tuple[str, str, datetime, Mapping[str, float]]) -> None:
    full = [
        {
            "item_id": item,
            "title": title,
            "text": "of the source",
            "categories": ["c"],
            "attributes": [{"name": name, "value": value} for name, value in named.items()],
            "released_at": EARLY,
            "created_at": created,
        }
        for item, title, created, named in rows
    ]
    lake.write("staged_items", pl.DataFrame(full, schema=ITEMS), {})


def numbers(row: dict[str, Any]) -> dict[str, float]:
    return {number["name"]: number["value"] for number in row["attributes"]}


def test_what_apps_put_holds_and_the_source_fills_in_the_rest(workspace: Workspace) -> None:
    lake = workspace.lake
    stage(
        lake,
        ("kept", "kept", EARLY, {"year": 1}),
        ("changed", "source", EARLY, {"year": 1, "price": 2}),
        ("younger", "source", LATE, {}),
        ("gone", "source", EARLY, {}),
    )
    put(workspace, "changed", "put", year=3.0, length=4.0)
    put(workspace, "younger")
    put(workspace, "new", "new", year=5.0)
    delete(workspace, "gone")
    delete(workspace, "never there")
    put_media(workspace, "kept", "image", b"picture")
    take(workspace)
    found = {row["item_id"]: row for row in catalogue(lake).iter_rows(named=True)}
    assert set(found) == {"kept", "changed", "younger", "new"} == set(catalogue_ids(lake))
    assert found["kept"] == lake.read("staged_items").row(0, named=True), "media say no words"
    changed = found["changed"]
    assert (changed["title"], changed["text"], changed["categories"]) == (
        "put",
        "words",
        ["a", "b"],
    )
    assert list(numbers(changed).items()) == [("length", 4.0), ("price", 2.0), ("year", 3.0)]
    assert changed["released_at"] == changed["created_at"] == EARLY
    assert found["younger"]["created_at"] == datetime(2010, 1, 1, tzinfo=UTC)
    assert numbers(found["new"]) == {"year": 5.0} and found["new"]["released_at"] is None
    events = pl.DataFrame({"item_id": ["kept", "gone", "gone", "new"]})
    kept, deleted = without_deleted(lake, events)
    assert kept["item_id"].to_list() == ["kept", "new"] and deleted == 2


def test_without_an_item_of_an_app_nothing_is_another(workspace: Workspace) -> None:
    lake = workspace.lake
    stage(lake, ("b", "b", EARLY, {"z": 1, "a": 2}), ("a", "a", LATE, {}))
    staged = lake.read("staged_items")
    for _ in range(2):
        assert catalogue(lake).equals(staged)
        assert catalogue_ids(lake).to_list() == ["b", "a"]
        assert without_deleted(lake, staged) == (staged, 0)
        assert filled(lake, ["reported_items", "staged_items"]) == ("staged_items",)
        take(workspace)
    assert not workspace.paths.item_log.exists(), "a run makes no log"


def test_an_app_s_file_takes_the_place_of_the_source_s(workspace: Workspace) -> None:
    lake = workspace.lake
    rows = [("a", "image"), ("a", "video"), ("b", "image"), ("c", "image")]
    raw = pl.DataFrame(rows, schema=["item_id", "modality"], orient="row")
    lake.write("raw_media", raw.with_columns(uri=pl.lit("p"), bytes=1, sha256=pl.lit("s")), {})
    put(workspace, "d")
    own = {
        ("a", "image"): put_media(workspace, "a", "image", b"one"),
        ("d", "audio"): put_media(workspace, "d", "audio", b"two"),
    }
    put_media(workspace, "c", "image", b"three")
    delete(workspace, "c")
    take(workspace)
    found = catalogue_media(lake).collect()
    assert found.columns == ["item_id", "modality", "uri", "content"]
    assert set(found.rows()) == {
        *((item, kind, "p", "s") for item, kind in rows[1:]),
        *((*of, f"uploads://{sha256}", sha256) for of, sha256 in own.items()),
    }
    for sha256 in own.values():
        assert (workspace.paths.uploads / sha256).is_file()


def test_a_log_that_was_moved_away_takes_nothing_from_the_lake(
    workspace: Workspace, tmp_path: Path
) -> None:
    put(workspace, "one")
    delete(workspace, "two")
    before = items_end(workspace.paths.item_log)
    take(workspace)
    assert copied_up_to(workspace.lake) == before
    shutil.move(workspace.paths.item_log.parent, tmp_path / "away")
    assert set(take(workspace)["item_id"]) == {"one", "two"}, "there is no log"
    assert copied_up_to(workspace.lake) == ItemsEnd()
    put(workspace, "three")
    delete(workspace, "two")
    put(workspace, "two", "back")
    for _ in range(2):
        rows = take(workspace).select("item_id", "position", "deleted").rows()
        assert rows == [("one", None, False), ("three", 1, False), ("two", 3, False)]


def test_a_change_is_seen_by_its_number_and_another_log_by_its_state(workspace: Workspace) -> None:
    log = workspace.paths.item_log
    assert items_end(log) == ItemsEnd()
    ends = []
    for change in (put, put, delete, put):
        change(workspace, "one")
        ends.append(items_end(log))
        assert item_states(log)[1] == ends[-1] == items_end(log)
    put_media(workspace, "one", "image", b"picture")
    ends.append(items_end(log))
    assert [end.position for end in ends] == [1, 2, 3, 4, 5] and len(set(ends)) == 5
    for path in log.parent.glob("items.db*"):
        path.unlink()
    put(workspace, "one", "of another log")
    assert items_end(log).position == 1 and items_end(log) != ends[0]


def test_a_log_of_an_older_version_is_read_and_takes_numbers(workspace: Workspace) -> None:
    log = workspace.paths.item_log
    put(workspace, "one", price=1.0)
    with closing(sqlite3.connect(log)) as connection:
        connection.execute("ALTER TABLE items DROP COLUMN attributes")
    (state,), _ = item_states(log)
    assert state.title == "put" and state.attributes == {}
    put(workspace, "two", price=2.0)
    states, _ = item_states(log)
    assert [state.attributes for state in states] == [{}, {"price": 2.0}]


CHANGES = st.lists(
    st.tuples(st.sampled_from(["put", "delete", "media"]), st.sampled_from("abcd")), max_size=12
)


@given(staged=st.sets(st.sampled_from("abc")), changes=CHANGES, looks=st.sets(st.integers(0, 12)))
def test_the_catalogue_does_not_depend_on_when_runs_looked(
    tmp_path_factory: pytest.TempPathFactory,
    staged: set[str],
    changes: list[tuple[str, str]],
    looks: set[int],
) -> None:
    workspace = Workspace(small_settings(tmp_path_factory.mktemp("home")))
    stage(workspace.lake, *((item, "source", EARLY, {}) for item in sorted(staged)))
    said: dict[str, bool | None] = {}
    for place, (what, item) in enumerate(changes):
        if what == "put":
            put(workspace, item)
            said[item] = True
        elif what == "delete":
            delete(workspace, item)
            said[item] = False
        elif said.get(item) is not False:
            put_media(workspace, item, "image", item.encode())
            said.setdefault(item, None)
        if place in looks:
            take(workspace)
    take(workspace)
    wanted = {item: "put" for item, state in said.items() if state}
    wanted |= {item: "source" for item in staged if said.get(item) is None}
    found = catalogue(workspace.lake)
    assert dict(found.select("item_id", "title").iter_rows()) == wanted
    assert set(catalogue_ids(workspace.lake)) == set(wanted)
    assert found.schema == ITEMS

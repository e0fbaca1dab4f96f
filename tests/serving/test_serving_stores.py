"""Stores that cannot be used: one sentence before anything starts, with file and way out."""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crossmodal.event_log import EventLog, LoggedEvent, last_position, read_log
from crossmodal.item_log import ItemLog
from crossmodal.logged_items import Description, Vector
from crossmodal.paths import StatePaths
from crossmodal.store_errors import StoreError
from serving.stores import require_stores

REPORTS = [
    LoggedEvent(str(place), f"user-{place % 9}", "a", "review", None, "x" * 1000, None, place)
    for place in range(300)
]


def garbage(path: Path) -> None:
    path.write_bytes(b"no database, but a long enough text to be one" * 500)


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def overwritten(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8192] = b"\xa5" * 8192
    path.write_bytes(bytes(content))


def of_something_else(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        for table in ("events", "items", "turns"):
            other.execute(f"CREATE TABLE {table} (something TEXT)")


@pytest.fixture
def home(tmp_path: Path) -> StatePaths:
    """A home in which much was reported and put."""
    paths = StatePaths(tmp_path / "home")
    log = EventLog(paths.event_log)
    log.append(REPORTS).result()
    log.close()
    items = ItemLog(paths.item_log, paths.uploads)
    items.put("a", Description("t", "x" * 20_000, (), 0), Vector("t", bytes(20_000)), known=False)
    items.close()
    return paths


def test_a_sound_home_is_left_as_it_is(home: StatePaths) -> None:
    require_stores(home)
    require_stores(home)
    assert last_position(home.event_log) == len(REPORTS)
    items = ItemLog(home.item_log, home.uploads)
    assert [item.item_id for item in items.since(0)] == ["a"]
    items.close()


@pytest.mark.parametrize("damage", [garbage, cut_short, overwritten, of_something_else])
@pytest.mark.parametrize("name", ["event_log", "item_log"])
def test_a_damaged_store_is_named_with_the_way_out(
    home: StatePaths, name: str, damage: Callable[[Path], None]
) -> None:
    damage(getattr(home, name))
    with pytest.raises(StoreError) as refused:
        require_stores(home)
    assert str(getattr(home, name)) in str(refused.value) and "backup" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_damaged_rate_limits_are_named_too(home: StatePaths) -> None:
    require_stores(home)
    garbage(home.rate_limits)
    with pytest.raises(StoreError, match=r"limits\.db is damaged"):
        require_stores(home)


def test_a_run_names_the_damaged_log_that_it_reads(home: StatePaths) -> None:
    garbage(home.event_log)
    for ask in (last_position, lambda path: list(read_log(path, 1))):
        with pytest.raises(StoreError, match=r"events\.db is damaged"):
            ask(home.event_log)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1), st.binary(min_size=1, max_size=64), st.integers(1, 400))
# A name of the schema that is no text, which SQLite's own error quotes.
@example(0.0082475779316209, b"\x80", 3)
def test_whatever_bytes_change_the_start_works_or_says_one_sentence(
    home: StatePaths, place: float, content: bytes, times: int
) -> None:
    good = home.event_log.read_bytes()
    changed = bytearray(good)
    start = int(place * (len(good) - 1))
    changed[start : start + len(content) * times] = content * times
    home.event_log.write_bytes(bytes(changed))
    try:
        require_stores(home)
    except StoreError as error:
        assert str(home.event_log) in str(error)
    finally:
        for name in ("events.db", "events.db-wal", "events.db-shm"):
            home.event_log.with_name(name).unlink(missing_ok=True)
        home.event_log.write_bytes(good)


@contextmanager
def somebody_else(folder: Path) -> Iterator[None]:
    """Whoever runs the block may not write into the folder, whose owner they are not."""
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


def test_a_home_that_may_not_be_written_is_named(home: StatePaths) -> None:
    with somebody_else(home.event_log.parent), pytest.raises(StoreError) as refused:
        require_stores(home)
    assert str(home.event_log.parent) in str(refused.value)
    assert "CROSSMODAL_HOME" in str(refused.value)


@pytest.mark.parametrize("name", ["event_log", "item_log", "rate_limits"])
def test_a_folder_in_the_place_of_a_store_is_named(home: StatePaths, name: str) -> None:
    store: Path = getattr(home, name)
    store.unlink(missing_ok=True)
    store.mkdir()
    with pytest.raises(StoreError, match=store.name):
        require_stores(home)


def test_nothing_is_logged_where_all_is_well(
    home: StatePaths, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    require_stores(home)
    log = EventLog(home.event_log)
    assert log.why_unwritable() is None and log.append(REPORTS).result() == 0
    log.close()
    assert not caplog.records

"""Puts that were taken: known again after a restart, and never without end."""

import sqlite3
from pathlib import Path

import pytest

from crossmodal import item_puts
from crossmodal.item_log import ItemExistsError, ItemLog
from crossmodal.item_puts import PutDiffersError, PutKey, keep_outcome, outcome_of
from crossmodal.logged_items import Description, Vector

TOLD, TEXT = Description("A title", "", (), 0), Vector("f", b"")


def test_a_put_is_known_by_its_key_after_a_restart(tmp_path: Path) -> None:
    def put(key: PutKey | None) -> bool:
        log = ItemLog(tmp_path / "items.db", tmp_path / "media")
        try:
            return log.put("new", TOLD, TEXT, known=False, only_new=True, key=key)
        finally:
            log.close()

    assert put(PutKey("a", "said")) and put(PutKey("a", "said"))
    for other in (None, PutKey("b", "said")):
        with pytest.raises(ItemExistsError):
            put(other)
    with pytest.raises(PutDiffersError, match="Idempotency-Key 'a'"):
        put(PutKey("a", "something else"))


def test_only_the_newest_puts_are_kept() -> None:
    connection = sqlite3.connect(":memory:")
    connection.executescript(item_puts.SCHEMA)
    for number in range(10_005):
        keep_outcome(connection, "item", PutKey(str(number), "said"), created=not number % 2)
    assert outcome_of(connection, "item", PutKey("4", "said")) is None
    assert outcome_of(connection, "item", PutKey("5", "said")) is False
    assert outcome_of(connection, "item", PutKey("10004", "said")) is True
    connection.close()

"""What is said of an item: by the lake, and by apps where they have put something."""

from pathlib import Path

import polars as pl

from crossmodal.lake import Lake
from crossmodal.logged_items import Description
from serving.item_words import Said, said_of
from sources.protocol import ITEMS


def write(lake: Lake, table: str, **named: float) -> None:
    numbers = [{"name": name, "value": value} for name, value in named.items()]
    row = {"item_id": "a", "text": "of the source", "attributes": numbers}
    lake.write(table, pl.DataFrame([row], schema_overrides={"attributes": ITEMS["attributes"]}), {})


def test_a_number_of_a_former_put_goes_with_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    write(lake, "staged_items", year=2012.0)
    # A run has taken a put that said a price as well.
    write(lake, "items", year=2012.0, price=9.0)
    assert said_of(lake, None, "a") == Said("of the source", {"year": 2012.0, "price": 9.0})
    put = Description("t", "put", (), 0, {"length": 3.0})
    assert said_of(lake, put, "a") == Said("put", {"year": 2012.0, "length": 3.0})
    assert said_of(lake, put, "new") == Said("put", {"length": 3.0})

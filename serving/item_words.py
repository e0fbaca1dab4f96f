"""An item's words and named numbers, read when somebody asks for that one item."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from crossmodal.lake import Lake
from crossmodal.logged_items import Description


@dataclass(frozen=True)
class Said:
    """What is said of an item.

    Attributes:
        text: its description; may be empty.
        attributes: its named numbers.
    """

    text: str
    attributes: Mapping[str, float]


def said_of(lake: Lake, put: Description | None, item_id: str) -> Said:
    """What the lake says of an item, or apps where they have put it.

    Args:
        lake: of the last run; it may not know the item.
        put: what apps said of it; numbers of the source stay where apps have put none of the name.
        item_id: of the catalogue.
    """
    # The catalogue of a run also has the numbers of former puts, which this one has replaced.
    table = "items" if put is None else "staged_items"
    rows = lake.scan(table).filter(pl.col("item_id") == item_id)
    row = next(rows.select("text", "attributes").collect().iter_rows(named=True), {})
    named = row.get("attributes") or ()
    numbers = {
        attribute["name"]: attribute["value"]
        for attribute in named
        if attribute["value"] is not None and math.isfinite(attribute["value"])
    }
    if put is None:
        return Said(row.get("text") or "", numbers)
    return Said(put.text, {**numbers, **put.attributes})

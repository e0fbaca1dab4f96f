"""An item's words and named numbers, read when somebody asks for that one item."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from crossmodal.item_log import Description
from crossmodal.lake import Lake


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
    """What the lake says of an item, and apps in its place.

    Args:
        lake: of the last run; it may not know the item.
        put: what apps said of it; they can put no numbers, so that those of the lake stay.
        item_id: of the catalogue.
    """
    own = lake.scan("items").filter(pl.col("item_id") == item_id)
    row = next(own.select("text", "attributes").collect().iter_rows(named=True), {})
    named = row.get("attributes") or ()
    numbers = {
        one["name"]: one["value"]
        for one in named
        if one["value"] is not None and math.isfinite(one["value"])
    }
    return Said((row.get("text") or "") if put is None else put.text, numbers)

"""A source's events, cut into what is known before the first night and one week per night."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import yaml

from sources.protocol import Source

_COLUMNS = ("user_id", "item_id", "value", "event_timestamp")


@dataclass(frozen=True)
class Timeline:
    """Ratings of a source in the order in which a platform would see them.

    Attributes:
        known: user_id, item_id, value, event_timestamp of what happened before the first night.
        weeks: the same with an event_id, for each night, and for the days after the last one.
        items: the catalogue, in the columns of `sources.protocol.ITEMS`.
    """

    known: pl.DataFrame
    weeks: tuple[pl.DataFrame, ...]
    items: pl.DataFrame


def timeline(source: Source, nights: int, days: int) -> Timeline:
    """The last `nights` + 1 weeks of a source's ratings, and what came before them.

    Args:
        source: whose files are in place.
        nights: how many weeks come in, one per night; the last week only judges.
        days: of a week.

    Raises:
        ValueError: nothing happened before the first week.
    """
    ratings = source.interactions().frame.filter(
        (pl.col("event_type") == "rating") & (pl.col("value") > 0)
    )
    events = ratings.select(_COLUMNS).sort("event_timestamp", maintain_order=True).collect()
    end = events["event_timestamp"].max()
    if not isinstance(end, datetime):
        raise ValueError("The source has no rating.")
    starts = [end - timedelta(days=days * left) for left in range(nights + 1, -1, -1)]
    at = pl.col("event_timestamp")
    known = events.filter(at <= starts[0])
    if known.is_empty():
        raise ValueError(f"Nothing happened before {starts[0]}: ask for fewer nights or days.")
    weeks = [events.filter((at > since) & (at <= until)) for since, until in pairwise(starts)]
    named = [
        week.with_row_index("event_id").with_columns(
            event_id=pl.format("night-{}-event-{}", pl.lit(number), "event_id")
        )
        for number, week in enumerate(weeks, start=1)
    ]
    return Timeline(known, tuple(named), source.items().frame.collect())


def write_tables(known: Timeline, folder: Path) -> Path:
    """Writes what is known before the first night as the source `tables` reads it.

    Media are left out: the nights measure events.

    Returns:
        The mapping file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known.known.write_parquet(folder / "events.parquet")
    numbers = _numbers(known.items)
    columns = ["item_id", "title", "text", "categories", "released_at", "created_at"]
    items = known.items.select(columns).join(numbers, on="item_id", how="left")
    items.write_parquet(folder / "items.parquet")
    mapping = folder / "mapping.yaml"
    mapping.write_text(yaml.safe_dump(_mapping([n for n in numbers.columns if n != "item_id"])))
    return mapping


def _numbers(items: pl.DataFrame) -> pl.DataFrame:
    """The named numbers of the items, a column each."""
    long = items.select("item_id", "attributes").explode("attributes").drop_nulls("attributes")
    return long.unnest("attributes").pivot("name", index="item_id", values="value")


def _mapping(numbers: list[str]) -> dict[str, object]:
    items: dict[str, object] = {
        "path": "items.parquet",
        "id": "item_id",
        "title": "title",
        "text": "text",
        "categories": "categories",
        "released_at": "released_at",
        "created_at": "created_at",
    }
    return {
        "root": ".",
        "interactions": {
            "path": "events.parquet",
            "user": "user_id",
            "item": "item_id",
            "time": "event_timestamp",
            "value": "value",
        },
        "items": {**items, "attributes": numbers} if numbers else items,
    }

"""The user's catalogue in the contract's columns."""

from datetime import datetime

import polars as pl

from sources.protocol import ATTRIBUTES, ITEMS, TIMESTAMP, Extract
from sources.rejects import (
    BAD_ID,
    BAD_TIME,
    BAD_VALUE,
    PART,
    Rule,
    join_rejects,
    split,
    split_duplicates,
    usable_id,
)
from sources.tables.events import usable_text
from sources.tables.mapping import ItemsMapping
from sources.tables.times import parse_time

_NUMBER = "number:"
_TIME = "time:"


def clean_items(
    frame: pl.LazyFrame, mapping: ItemsMapping, source_file: str, known_from: datetime | None
) -> tuple[Extract, pl.LazyFrame]:
    """The catalogue, and the kept rows of the table (with `row` and `item_id`) for its media.

    Args:
        frame: the table with `row`.
        mapping: which column is what.
        source_file: name of the file below the root.
        known_from: `created_at` of an item that has none.
    """
    schema = frame.collect_schema()
    times = {
        f"{_TIME}{name}": parse_time(column, schema[column], mapping.time_format)
        for name, column in (
            ("released_at", mapping.released_at),
            ("created_at", mapping.created_at),
        )
        if column
    }
    numbers = {
        f"{_NUMBER}{name}": pl.col(name)
        .cast(pl.String)
        .str.strip_chars()
        .cast(pl.Float64, strict=False)
        for name in sorted(mapping.attributes)
    }
    raw = frame.with_columns(item_id=usable_id(mapping.id), **times, **numbers)
    valid, bad = split(raw, _rules(mapping), source_file)
    placed = valid.with_columns(pl.lit(0, dtype=pl.UInt8).alias(PART))
    kept, again = split_duplicates(placed, ["item_id"], [source_file], "the same item id again")
    created = pl.col(f"{_TIME}created_at") if mapping.created_at else pl.lit(None, dtype=TIMESTAMP)
    table = kept.select(
        "item_id",
        title=_text_or_empty(mapping.title),
        text=_text_or_empty(mapping.text),
        categories=_categories(mapping, schema),
        attributes=_attributes(sorted(mapping.attributes)),
        released_at=pl.col(f"{_TIME}released_at")
        if mapping.released_at
        else pl.lit(None, dtype=TIMESTAMP),
        created_at=created.fill_null(pl.lit(known_from, dtype=TIMESTAMP)),
    )
    return Extract(table, join_rejects([bad, again])), kept


def items_of_events(events: pl.LazyFrame, known_from: datetime | None) -> pl.LazyFrame:
    """A catalogue of bare ids, for tables that have no items file."""
    return (
        events.select(pl.col("item_id").unique())
        .sort("item_id")
        .select(
            "item_id",
            title=pl.lit(""),
            text=pl.lit(""),
            categories=pl.lit([], dtype=ITEMS["categories"]),
            attributes=pl.lit([], dtype=ATTRIBUTES),
            released_at=pl.lit(None, dtype=TIMESTAMP),
            created_at=pl.lit(known_from, dtype=TIMESTAMP),
        )
    )


def _rules(mapping: ItemsMapping) -> list[Rule]:
    rules = [
        Rule(BAD_ID, pl.col("item_id").is_null(), pl.lit("the item id is missing or unusable"))
    ]
    for name, column in (("released_at", mapping.released_at), ("created_at", mapping.created_at)):
        if column:
            given = usable_text(column)
            unread = given.is_not_null() & pl.col(f"{_TIME}{name}").is_null()
            rules.append(Rule(BAD_TIME, unread, pl.concat_str(pl.lit(f"{column}: "), given)))
    for column in mapping.attributes:
        given = usable_text(column)
        number = pl.col(f"{_NUMBER}{column}")
        unread = given.is_not_null() & (number.is_null() | number.is_infinite()).fill_null(True)
        rules.append(Rule(BAD_VALUE, unread, pl.concat_str(pl.lit(f"{column}: "), given)))
    return rules


def _text_or_empty(column: str | None) -> pl.Expr:
    return usable_text(column).fill_null("") if column else pl.lit("")


def _categories(mapping: ItemsMapping, schema: pl.Schema) -> pl.Expr:
    if mapping.categories is None:
        return pl.lit([], dtype=ITEMS["categories"])
    column = pl.col(mapping.categories.column)
    if isinstance(schema[mapping.categories.column], pl.List):
        listed = column.cast(pl.List(pl.String))
    else:
        listed = column.cast(pl.String).str.split(mapping.categories.separator)
    trimmed = listed.list.eval(pl.element().str.strip_chars())
    named = trimmed.list.filter(pl.element().is_not_null() & (pl.element() != ""))
    return named.list.unique(maintain_order=True).fill_null(pl.lit([], dtype=ITEMS["categories"]))


def _attributes(names: list[str]) -> pl.Expr:
    """Named numbers, sorted by name; a number that is not there has no entry."""
    if not names:
        return pl.lit([], dtype=ATTRIBUTES)
    pairs = [pl.struct(name=pl.lit(name), value=pl.col(f"{_NUMBER}{name}")) for name in names]
    value = pl.element().struct.field("value")
    return pl.concat_list(pairs).list.filter(value.is_not_null() & value.is_not_nan())

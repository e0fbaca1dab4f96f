"""The user's events in the contract's columns."""

import polars as pl

from sources.rejects import RawEvents, usable_id
from sources.tables.mapping import EventsMapping
from sources.tables.times import parse_time

_TYPE_WITH_VALUE, _TYPE_WITHOUT = "rating", "like"


def raw_events(frame: pl.LazyFrame, mapping: EventsMapping, source_file: str) -> RawEvents:
    """The events as read: an event of a type that has no weight gets no value.

    Args:
        frame: the table with `row`.
        mapping: which column is what.
        source_file: name of the file below the root.
    """
    schema = frame.collect_schema()
    kind = pl.lit(_TYPE_WITH_VALUE if mapping.value else _TYPE_WITHOUT)
    if mapping.type:
        kind = usable_text(mapping.type)
    given = usable_text(mapping.value) if mapping.value else pl.lit(None, dtype=pl.String)
    value = _value(mapping, kind, given)
    unlisted = pl.when(value.is_null()).then(pl.concat_str(pl.lit("event type "), kind))
    selected = frame.select(
        "row",
        user_id=usable_id(mapping.user),
        item_id=usable_id(mapping.item),
        value=value.cast(pl.Float32),
        event_type=kind,
        text=usable_text(mapping.text) if mapping.text else pl.lit(None, dtype=pl.String),
        event_timestamp=parse_time(mapping.time, schema[mapping.time], mapping.time_format),
        given_value=pl.coalesce(given, unlisted),
        given_time=pl.col(mapping.time).cast(pl.String),
    )
    return RawEvents(selected, source_file, mapping.value_range)


def _value(mapping: EventsMapping, kind: pl.Expr, given: pl.Expr) -> pl.Expr:
    if mapping.types:
        names = list(mapping.types)
        weight = kind.replace_strict(
            names, list(mapping.types.values()), default=None, return_dtype=pl.Float64
        )
    else:
        weight = pl.lit(None if mapping.value else 1.0, dtype=pl.Float64)
    if not mapping.value:
        return weight
    listed = pl.lit(True) if not mapping.types else weight.is_not_null()
    value = pl.when(given.is_null()).then(weight).otherwise(given.cast(pl.Float64, strict=False))
    return pl.when(listed).then(value)


def usable_text(column: str) -> pl.Expr:
    """The column as trimmed text, null where blank."""
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text)

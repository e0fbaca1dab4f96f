"""The user's events in the contract's columns."""

from datetime import UTC, datetime
from difflib import get_close_matches

import polars as pl

from sources.own_columns import FAULT, ID_FAULT, PART, ROW, VALUE_FAULT, WHOLE
from sources.protocol import TIMESTAMP
from sources.rejects import RawEvents
from sources.tables.cells import Cell, as_number, given, repair_flags, text_cell
from sources.tables.columns import Table
from sources.tables.ids import IdForm, id_of
from sources.tables.mapping import NO_TIMES, EventsMapping
from sources.tables.times import parse_time

_TYPE_WITH_VALUE, _TYPE_WITHOUT = "rating", "like"
_MOST_UNLISTED = 1000
_DRAWN_FROM = datetime(2000, 1, 1, tzinfo=UTC)
_DRAWN_MICROSECONDS = 31 * 86_400 * 10**6


def raw_events(
    table: Table,
    mapping: EventsMapping,
    blanks: tuple[str, ...],
    users: IdForm,
    items: IdForm,
) -> RawEvents:
    """The events as read: an event of a type that has no weight gets no value.

    Args:
        table: one file of them.
        mapping: which column is what.
        blanks: words that stand for nothing.
        users: form of the user ids.
        items: form of the item ids.
    """
    user = id_of(table.column("user", mapping.user), "user", users, blanks)
    item = id_of(table.column("item", mapping.item), "item", items, blanks)
    kind = pl.lit(_TYPE_WITH_VALUE if mapping.value else _TYPE_WITHOUT)
    unlisted = pl.lit(None, dtype=pl.String)
    if mapping.type:
        column = table.column("type", mapping.type)
        kind = given(column, ())
        if mapping.types:
            unlisted = _unlisted(table, kind, mapping)
    told: list[tuple[str, Cell]] = []
    text = pl.lit(None, dtype=pl.String)
    if mapping.text:
        cell = text_cell(table.column("text", mapping.text, lists=True), blanks)
        told.append((mapping.text, cell))
        text = cell.value
    if mapping.timeless:
        given_time, at = pl.lit(NO_TIMES), _drawn_time(user.value, item.value, kind)
    else:
        time = table.column("time", mapping.time)
        given_time = time.text
        at = parse_time(time.expr, time.dtype, mapping.time_format)
    given_value = pl.lit(None, dtype=pl.String)
    if mapping.value:
        column = table.column("value", mapping.value)
        given_value = given(column, blanks)
        told.append((mapping.value, text_cell(column, blanks)))
    flags = repair_flags(told)
    named = {f"{PART}repair{place}": of for place, of in enumerate(flags)}
    selected = table.frame.select(
        ROW,
        FAULT,
        _whole(table).alias(WHOLE),
        pl.coalesce(user.fault, item.fault).alias(ID_FAULT),
        unlisted.alias(VALUE_FAULT),
        user_id=user.value,
        item_id=item.value,
        value=_value(mapping, kind, given_value).cast(pl.Float32),
        event_type=kind,
        text=text,
        event_timestamp=at,
        given_value=given_value,
        given_time=given_time,
        **{flag: flags[of] for flag, of in named.items()},
    )
    return RawEvents(selected, table.name, mapping.value_range, mapping.time_format, named)


def _drawn_time(user: pl.Expr, item: pl.Expr, kind: pl.Expr) -> pl.Expr:
    """An instant of one month, drawn by who did what to which item.

    The order of a file may be that of its items, and a split by it would hold out the last ones of
    everybody: of an order that is drawn, every part of the events is like every other.
    """
    drawn = pl.struct(user=user, item=item, kind=kind).hash() % _DRAWN_MICROSECONDS
    return pl.lit(_DRAWN_FROM, dtype=TIMESTAMP) + pl.duration(microseconds=drawn.cast(pl.Int64))


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
    value = pl.when(given.is_null()).then(weight).otherwise(as_number(given))
    return pl.when(listed).then(value)


def _unlisted(table: Table, kind: pl.Expr, mapping: EventsMapping) -> pl.Expr:
    """What to say of an event whose type has no weight: the nearest type that has one."""
    listed = list(mapping.types)
    found = (
        table.frame.select(kind=kind)
        .filter(~pl.col("kind").is_in(listed))
        .select(pl.col("kind").unique())
        .head(_MOST_UNLISTED)
        .collect(engine="streaming")
        .to_series()
        .to_list()
    )
    lower = {name.lower(): name for name in listed}
    said = {}
    for name in found:
        near = get_close_matches(name.strip().lower(), list(lower), n=1)
        hint = f"; nearest is {lower[near[0]]}" if near else f"; mapped: {', '.join(listed)}"
        said[name] = f"event type {name} has no weight{hint}"
    other = pl.concat_str(pl.lit("event type "), kind, pl.lit(" has no weight"))
    missing = pl.when(kind.is_null()).then(pl.lit("the event has no type"))
    strange = pl.when(~kind.is_in(listed)).then(other)
    told = kind.replace_strict(
        list(said), list(said.values()), default=None, return_dtype=pl.String
    )
    return pl.coalesce(missing, told, strange)


def _whole(table: Table) -> pl.Expr:
    """A hash of a row's own columns; those that hold lists or records do not count."""
    names = [name for name in table.columns() if not table.schema[name].is_nested()]
    return pl.struct(names).hash() if names else pl.lit(0, dtype=pl.UInt64)

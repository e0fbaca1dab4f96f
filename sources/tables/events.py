"""The user's events in the contract's columns."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches

import polars as pl

from sources.own_columns import FAULT, ID_FAULT, PART, ROW, VALUE_FAULT, WHOLE
from sources.protocol import REPAIRS, TIMESTAMP, no_repairs
from sources.rejects import RawEvents
from sources.repairs import LEFT_OUT
from sources.tables.cells import Cell, given, repair_flags, text_cell
from sources.tables.columns import Column, Table
from sources.tables.ids import IdForm, id_of
from sources.tables.mapping import IGNORE, NO_TIMES, EventsMapping
from sources.tables.numbers import NumberForm
from sources.tables.times import example_of, parse_time

_TYPE_WITH_VALUE, _TYPE_WITHOUT = "rating", "like"
_MOST_UNLISTED = 1000
_OTHERS = "types without a weight"
_DRAWN_FROM = datetime(2000, 1, 1, tzinfo=UTC)
_DRAWN_MICROSECONDS = 31 * 86_400 * 10**6


@dataclass(frozen=True)
class EventForms:
    """How ids and numbers are written in all files of the events.

    Attributes:
        users: user ids.
        items: item ids.
        values: values.
    """

    users: IdForm
    items: IdForm
    values: NumberForm


@dataclass(frozen=True)
class _Value:
    """The value of a row: its text, null where it is blank; the number; why it is not sure."""

    text: pl.Expr
    number: pl.Expr
    fault: pl.Expr

    @staticmethod
    def none() -> "_Value":
        text = pl.lit(None, dtype=pl.String)
        return _Value(text, pl.lit(None, dtype=pl.Float64), text)

    @staticmethod
    def of(column: Column, blanks: tuple[str, ...], form: NumberForm) -> "_Value":
        text = given(column, blanks)
        return _Value(text, form.number(column, text), form.fault(column, text))


def raw_events(
    table: Table, mapping: EventsMapping, blanks: tuple[str, ...], forms: EventForms
) -> RawEvents:
    """The events as read: an event of a type that has no weight gets no value.

    Args:
        table: one file of them.
        mapping: which column is what.
        blanks: words that stand for nothing.
        forms: of ids and numbers.
    """
    typed = _typed(table, mapping)
    table, kind = typed.table, typed.kind
    user = id_of(table.column("user", mapping.user), "user", forms.users, blanks)
    item = id_of(table.column("item", mapping.item), "item", forms.items, blanks)
    named_cells: list[tuple[str, Cell]] = []
    text = pl.lit(None, dtype=pl.String)
    if mapping.text:
        cell = text_cell(table.column("text", mapping.text, lists=True), blanks)
        named_cells.append((mapping.text, cell))
        text = cell.value
    given_time, at = _time(table, mapping, user.value, item.value, kind)
    value = _Value.none()
    if mapping.value:
        column = table.column("value", mapping.value)
        value = _Value.of(column, blanks, forms.values)
        named_cells.append((mapping.value, text_cell(column, blanks)))
    flags = repair_flags(named_cells)
    named = {f"{PART}repair{place}": of for place, of in enumerate(flags)}
    selected = table.frame.select(
        ROW,
        FAULT,
        _whole(table).alias(WHOLE),
        pl.coalesce(user.fault, item.fault).alias(ID_FAULT),
        pl.coalesce(typed.fault, value.fault).alias(VALUE_FAULT),
        user_id=user.value,
        item_id=item.value,
        value=_weighed(mapping, kind, value).cast(pl.Float32),
        event_type=kind,
        text=text,
        event_timestamp=at,
        given_value=value.text,
        given_time=given_time,
        **{flag: flags[of] for flag, of in named.items()},
    )
    return RawEvents(
        selected,
        table.name,
        mapping.value_range,
        mapping.time_format,
        example_of(mapping.time_format),
        named,
        typed.left_out,
    )


@dataclass(frozen=True)
class _Typed:
    """Events with their types.

    Attributes:
        table: those that count.
        kind: the type of each.
        fault: why a type has no weight; null where it has one, or the mapping has no weights.
        left_out: how many the mapping leaves out, in the columns of `REPAIRS`.
    """

    table: Table
    kind: pl.Expr
    fault: pl.Expr
    left_out: pl.LazyFrame


def _typed(table: Table, mapping: EventsMapping) -> _Typed:
    plain = pl.lit(_TYPE_WITH_VALUE if mapping.value else _TYPE_WITHOUT)
    no_fault = pl.lit(None, dtype=pl.String)
    if not mapping.type:
        return _Typed(table, plain, no_fault, no_repairs())
    kind = given(table.column("type", mapping.type), ())
    counted, left_out = _without_ignored(table, kind, mapping)
    if mapping.weights:
        return _Typed(counted, kind, _unlisted(counted, kind, mapping), left_out)
    # No weight goes by it, so that an event without a type counts as all others do.
    return _Typed(counted, pl.coalesce(kind, plain), no_fault, left_out)


def _without_ignored(
    table: Table, kind: pl.Expr, mapping: EventsMapping
) -> tuple[Table, pl.LazyFrame]:
    """The events that count, and how many the mapping leaves out, in the columns of `REPAIRS`."""
    if mapping.other_types == IGNORE:
        out = ~kind.is_in(list(mapping.weights))
    elif mapping.ignored:
        out = kind.is_in(mapping.ignored)
    else:
        return table, no_repairs()
    out = out.fill_null(False)
    name = pl.when(kind.is_in(mapping.ignored)).then(kind).otherwise(pl.lit(_OTHERS))
    left_out = (
        table.frame.filter(out)
        .group_by(what=pl.concat_str(pl.lit(f"{LEFT_OUT}: "), name))
        .agg(rows=pl.len().cast(REPAIRS["rows"]))
        .select(
            pl.lit(table.name).alias("source_file"),
            pl.lit(mapping.type).alias("column"),
            "what",
            "rows",
        )
    )
    return replace(table, frame=table.frame.filter(~out)), left_out


def _time(
    table: Table, mapping: EventsMapping, user: pl.Expr, item: pl.Expr, kind: pl.Expr
) -> tuple[pl.Expr, pl.Expr]:
    """What the file has of the time, and the instant."""
    if mapping.timeless:
        return pl.lit(NO_TIMES), _drawn_time(user, item, kind)
    time = table.column("time", mapping.time)
    return time.text, parse_time(time.expr, time.dtype, mapping.time_format)


def _drawn_time(user: pl.Expr, item: pl.Expr, kind: pl.Expr) -> pl.Expr:
    """An instant of one month, drawn by who did what to which item.

    The order of a file may be that of its items, and a split by it would hold out the last ones of
    everybody: of an order that is drawn, every part of the events is like every other.
    """
    drawn = pl.struct(user=user, item=item, kind=kind).hash() % _DRAWN_MICROSECONDS
    return pl.lit(_DRAWN_FROM, dtype=TIMESTAMP) + pl.duration(microseconds=drawn.cast(pl.Int64))


def _weighed(mapping: EventsMapping, kind: pl.Expr, value: _Value) -> pl.Expr:
    """What an event weighs, by what the mapping has.

    - Weights and no value column: the weight of its type.
    - Both: the value, or the weight where the value is blank; null for a type without a weight.
    - A value column alone: the value.
    - Neither: 1.
    """
    weights = mapping.weights
    if weights:
        weight = kind.replace_strict(
            list(weights), list(weights.values()), default=None, return_dtype=pl.Float64
        )
    else:
        weight = pl.lit(None if mapping.value else 1.0, dtype=pl.Float64)
    if not mapping.value:
        return weight
    listed = weight.is_not_null() if weights else pl.lit(True)
    filled = pl.when(value.text.is_null()).then(weight).otherwise(value.number)
    return pl.when(listed).then(filled)


def _unlisted(table: Table, kind: pl.Expr, mapping: EventsMapping) -> pl.Expr:
    """What to say of an event whose type has no weight: the nearest type that has one."""
    listed = list(mapping.weights)
    unlisted = (
        table.frame.select(kind=kind)
        .filter(~pl.col("kind").is_in(listed))
        .select(pl.col("kind").unique())
        .head(_MOST_UNLISTED)
        .collect(engine="streaming")
        .to_series()
        .to_list()
    )
    # A type that is left out may also be the one that was meant.
    lower = {name.lower(): name for name in mapping.types}
    ignored = f"mapped: {', '.join(listed)}; `other_types: ignore` leaves out all others"
    messages = {}
    for name in unlisted:
        near = get_close_matches(name.strip().lower(), list(lower), n=1)
        hint = f"; nearest is {lower[near[0]]}" if near else f"; {ignored}"
        messages[name] = f"event type {name} has no weight{hint}"
    other = pl.concat_str(pl.lit("event type "), kind, pl.lit(" has no weight"))
    missing = pl.when(kind.is_null()).then(pl.lit("the event has no type"))
    strange = pl.when(~kind.is_in(listed)).then(other)
    mapped = kind.replace_strict(
        list(messages), list(messages.values()), default=None, return_dtype=pl.String
    )
    return pl.coalesce(missing, mapped, strange)


def _whole(table: Table) -> pl.Expr:
    """A hash of a row's own columns; those that hold lists or records do not count."""
    names = [name for name in table.columns() if not table.schema[name].is_nested()]
    return pl.struct(names).hash() if names else pl.lit(0, dtype=pl.UInt64)

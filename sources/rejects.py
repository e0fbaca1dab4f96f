"""Splits rows into usable ones and rejects with a reason, in Polars expressions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import polars as pl

from sources.never import never, never_of_dates
from sources.own_columns import FAULT, ID_FAULT, PART, ROW, VALUE_FAULT, WHOLE
from sources.protocol import INTERACTIONS, REJECTS, REPAIRS, Extract, no_rejects, no_repairs
from sources.reject_hints import no_time, of_range, or_empty, other_spelling
from sources.repairs import count_repairs, join_repairs

BAD_LINE = "bad_line"
BAD_ID = "bad_id"
BAD_TIME = "bad_time"
BAD_VALUE = "value_out_of_range"
DUPLICATE = "duplicate"
UNKNOWN_ITEM = "unknown_item"

Repeats = Literal["keep", "sum", "last", "reject"]
"""What becomes of events of the same user, item, type and time."""

IN_THE_FUTURE = "in the future: "
"""How the detail of a reject begins whose time has not come yet."""

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
"""Before it nobody's doings were written down by a machine."""

LONGEST_ID = 256
"""Bytes of an id."""

_LONGEST_DETAIL = 160
_SAME = ("event_timestamp", "user_id", "item_id", "event_type")
_EVENT_KEY = (*_SAME, "text")
_SUMMED = "summed up with others of the same user, item, type and time"
_OUTDATED = "replaced by a later row of the same user, item, type and time"


@dataclass(frozen=True)
class Rule:
    """One way in which a row can be unusable.

    Attributes:
        reason: the short code of the reject.
        broken: True where the row breaks the rule; null counts as broken.
        detail: what a person needs to find the fault; never a raw user id.
    """

    reason: str
    broken: pl.Expr
    detail: pl.Expr


@dataclass(frozen=True)
class TimeBounds:
    """Between which instants an event can be.

    Attributes:
        latest: mostly now: nothing happened after it.
        earliest: mostly a time before computers.
    """

    latest: datetime
    earliest: datetime = EARLIEST


@dataclass(frozen=True)
class RawEvents:
    """Events of one file as they were read, before any check.

    Attributes:
        frame: `ROW` (1-based), `FAULT` (null where the row could be taken apart), `ID_FAULT` and
            `VALUE_FAULT` (what the reader found wrong; else null, also where all that it knows is
            that there is no usable id or value), `WHOLE` (what else tells two rows apart), user_id
            and item_id (String or integer, null where unreadable), value and event_timestamp (null
            where unreadable), event_type, text, and what the file had: given_value and given_time
            (String). A value without a given_value is the weight of its event type, which
            `value_range` does not bound.
        source_file: name of the file below the source's root.
        value_range: least and greatest value that can be used.
        time_format: in which the times are to be, empty where there is no choice; for `year`,
            only the first and the last year there are mean never.
        time_example: a time in that form.
        repaired: flag columns of the frame, each with its column in the file and kind of repair.
        left_out: how many rows of the file are not in the frame because the mapping leaves them
            out, in the columns of `REPAIRS`.
    """

    frame: pl.LazyFrame
    source_file: str
    value_range: tuple[float, float]
    time_format: str = ""
    time_example: str = ""
    repaired: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    left_out: pl.LazyFrame = field(default_factory=no_repairs)

    @property
    def never(self) -> pl.Expr:
        """Whose word for never the time is, null where it is a time."""
        time = pl.col("event_timestamp")
        return never_of_dates(time) if self.time_format == "year" else never(time)


def split(
    raw: pl.LazyFrame, rules: Sequence[Rule], source_file: str
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Usable rows of `raw`, and the rejects of the others with the first rule each breaks.

    Args:
        raw: any columns and `ROW` (1-based).
        rules: in the order in which they are checked.
        source_file: name that the rejects carry.
    """
    broken = [rule.broken.fill_null(True) for rule in rules]
    reason = pl.coalesce(
        pl.when(fault).then(pl.lit(rule.reason)) for fault, rule in zip(broken, rules, strict=True)
    )
    detail = pl.coalesce(
        pl.when(fault).then(or_empty(rule.detail.cast(pl.String)))
        for fault, rule in zip(broken, rules, strict=True)
    )
    anything = pl.any_horizontal(broken)
    rejects = raw.filter(anything).select(
        source_file=pl.lit(source_file),
        row=pl.col(ROW).cast(pl.Int64),
        reason=reason,
        detail=detail.str.slice(0, _LONGEST_DETAIL),
    )
    return raw.filter(~anything), rejects


def split_duplicates(
    valid: pl.LazyFrame, key: Sequence[str], source_files: Sequence[str], detail: str
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """The first row of each key, sorted by the key, and the rejects of the others.

    Args:
        valid: rows with the key's columns, `ROW`, and `PART`, the position in `source_files`.
        key: columns that together may occur once.
        source_files: file names.
        detail: what the rejects say.
    """
    ordered = valid.sort(*key, PART, ROW, nulls_last=True)
    again = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in key)
    names = pl.Series(source_files, dtype=pl.String)
    rejects = ordered.filter(again).select(
        source_file=pl.lit(names).gather(pl.col(PART)),
        row=pl.col(ROW).cast(pl.Int64),
        reason=pl.lit(DUPLICATE),
        detail=pl.lit(detail),
    )
    return ordered.filter(~again), rejects


def whole_line() -> Rule:
    """The reader could take the row apart."""
    return Rule(BAD_LINE, pl.col(FAULT).is_not_null(), pl.col(FAULT))


def usable_id(trimmed: pl.Expr) -> pl.Expr:
    """The id, null where it is missing, blank, or too long to be one."""
    return pl.when((trimmed != "") & (trimmed.str.len_bytes() <= LONGEST_ID)).then(trimmed)


def clean_events(
    parts: Sequence[RawEvents],
    known_items: pl.Series | None,
    bounds: TimeBounds,
    repeats: Repeats = "reject",
) -> Extract:
    """Checks the events of all files together.

    Args:
        parts: events of each file.
        known_items: ids (of the dtype of `item_id`) that the catalogue has; None skips the check.
        bounds: of their times.
        repeats: `reject` rejects rows that also agree in text and `WHOLE`; `sum` and `last` leave
            one event per user, item, type and time, and count the others as repairs.
    """
    split_parts = [
        split(part.frame, _event_rules(part, known_items, bounds), part.source_file)
        for part in parts
    ]
    valid = pl.concat(
        [
            usable.select(
                *_EVENT_KEY, "value", WHOLE, ROW, pl.lit(place, dtype=pl.UInt32).alias(PART)
            )
            for place, (usable, _) in enumerate(split_parts)
        ]
    )
    files = [part.source_file for part in parts]
    events, rejected, merged = _without_repeats(valid, files, repeats)
    frame = events.select(pl.col(name).cast(dtype) for name, dtype in INTERACTIONS.items())
    rejects = [bad for _, bad in split_parts]
    repairs = [
        count_repairs(
            usable,
            {repair: pl.col(flag) for flag, repair in part.repaired.items()},
            part.source_file,
        )
        for part, (usable, _) in zip(parts, split_parts, strict=True)
    ]
    repairs += [part.left_out for part in parts]
    return Extract(frame, join_rejects([*rejects, *rejected]), join_repairs([*repairs, *merged]))


def first_event(parts: Sequence[RawEvents], bounds: TimeBounds) -> datetime | None:
    """The time of the first event with a usable time."""
    time = pl.col("event_timestamp")
    firsts = [
        part.frame.filter(
            time.is_between(bounds.earliest, bounds.latest) & part.never.is_null()
        ).select(time.min())
        for part in parts
    ]
    earliest = pl.concat(firsts).select(time.min()).collect(engine="streaming").item()
    return earliest if isinstance(earliest, datetime) else None


def join_rejects(parts: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """All rejects in one table, in the columns of `REJECTS`, sorted by file and row."""
    typed = [
        part.select(pl.col(name).cast(dtype) for name, dtype in REJECTS.items()) for part in parts
    ]
    return pl.concat([no_rejects(), *typed]).sort("source_file", "row", "reason")


def _without_repeats(
    valid: pl.LazyFrame, files: Sequence[str], repeats: Repeats
) -> tuple[pl.LazyFrame, list[pl.LazyFrame], list[pl.LazyFrame]]:
    """Sorted events, the rejects, and the repairs."""
    if repeats == "reject":
        detail = "the same user, item, time, event type and text again; `repeats: keep` keeps it"
        unique, again = split_duplicates(valid, (*_EVENT_KEY, WHOLE), files, detail)
        return unique, [again], []
    ordered = valid.sort(*_EVENT_KEY, PART, ROW, nulls_last=True)
    if repeats == "keep":
        return ordered, [], []
    ordered = valid.sort(*_SAME, PART, ROW, nulls_last=True)
    later = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(-1)) for name in _SAME)
    repair = pl.lit(_OUTDATED if repeats == "last" else _SUMMED)
    names = pl.Series(files, dtype=pl.String)
    merged = (
        ordered.filter(later)
        .group_by(PART, maintain_order=True)
        .agg(rows=pl.len())
        .select(
            source_file=pl.lit(names).gather(pl.col(PART)),
            column=pl.lit(""),
            what=repair,
            rows=pl.col("rows").cast(REPAIRS["rows"]),
        )
    )
    if repeats == "last":
        return ordered.filter(~later), [], [merged]
    texts = pl.col("text").drop_nulls().unique(maintain_order=True)
    summed = (
        ordered.group_by(*_SAME, maintain_order=True)
        .agg(pl.col("value").sum(), texts.str.join("\n"))
        .with_columns(text=pl.when(pl.col("text") != "").then("text"))
    )
    return summed, [], [merged]


def _event_rules(part: RawEvents, known_items: pl.Series | None, bounds: TimeBounds) -> list[Rule]:
    low, high = part.value_range
    value, value_text, time = pl.col("value"), pl.col("given_value"), pl.col("event_timestamp")
    outside = ~value.is_between(low, high) | value.is_nan()
    given_time = pl.col("given_time")
    future = pl.concat_str(pl.lit(IN_THE_FUTURE), given_time)
    early = pl.concat_str(
        pl.lit(f"before {bounds.earliest:%Y-%m-%d} (CROSSMODAL_EARLIEST_EVENT): "), given_time
    )
    means_never = pl.concat_str(given_time, pl.lit(" means never: it is "), part.never)
    rules = [
        whole_line(),
        Rule(
            BAD_ID,
            pl.col("user_id").is_null(),
            pl.coalesce(ID_FAULT, pl.lit("the user id is missing or unusable")),
        ),
        Rule(
            BAD_ID,
            pl.col("item_id").is_null(),
            pl.coalesce(ID_FAULT, pl.lit("the item id is missing or unusable")),
        ),
        Rule(
            BAD_TIME,
            time.is_null(),
            no_time(part.time_format, part.time_example, given_time),
        ),
        Rule(BAD_TIME, part.never.is_not_null(), means_never),
        Rule(BAD_TIME, time > bounds.latest, future),
        Rule(BAD_TIME, time < bounds.earliest, early),
        Rule(
            BAD_VALUE,
            value.is_null() | (value_text.is_not_null() & outside),
            pl.coalesce(VALUE_FAULT, pl.concat_str(value_text, of_range(value, low, high))),
        ),
    ]
    if known_items is not None:
        known = pl.col("item_id").is_in(known_items.implode())
        detail = pl.concat_str(pl.col("item_id").cast(pl.String), other_spelling(known_items))
        rules.append(Rule(UNKNOWN_ITEM, ~known, detail))
    return rules

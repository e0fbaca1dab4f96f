"""Splits rows into usable ones and rejects with a reason, in Polars expressions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from sources.protocol import INTERACTIONS, REJECTS, Extract, no_rejects

BAD_ID = "bad_id"
BAD_TIME = "bad_time"
BAD_VALUE = "value_out_of_range"
DUPLICATE = "duplicate"
UNKNOWN_ITEM = "unknown_item"

_LONGEST_ID = 256
_LONGEST_DETAIL = 80
_EVENT_KEY = ("event_timestamp", "user_id", "item_id", "event_type", "text")

PART = "part:"
"""A column of our own: no column of a user's file may be named so by chance."""


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
class RawEvents:
    """Events of one file as they were read, before any check.

    Attributes:
        frame: row (1-based), user_id and item_id (String or integer, null where unreadable), value
            and event_timestamp (null where unreadable), event_type, text, and what the file had:
            given_value and given_time (String). A value without a given_value is the weight of its
            event type, which `value_range` does not bound.
        source_file: name of the file below the source's root.
        value_range: least and greatest value that can be used.
    """

    frame: pl.LazyFrame
    source_file: str
    value_range: tuple[float, float]


def split(
    raw: pl.LazyFrame, rules: Sequence[Rule], source_file: str
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Usable rows of `raw`, and the rejects of the others with the first rule each breaks.

    Args:
        raw: any columns and `row` (1-based).
        rules: in the order in which they are checked.
        source_file: name that the rejects carry.
    """
    broken = [rule.broken.fill_null(True) for rule in rules]
    reason = pl.coalesce(
        pl.when(fault).then(pl.lit(rule.reason)) for fault, rule in zip(broken, rules, strict=True)
    )
    detail = pl.coalesce(
        pl.when(fault).then(rule.detail.cast(pl.String).fill_null(""))
        for fault, rule in zip(broken, rules, strict=True)
    )
    anything = pl.any_horizontal(broken)
    rejects = raw.filter(anything).select(
        source_file=pl.lit(source_file),
        row=pl.col("row").cast(pl.Int64),
        reason=reason,
        detail=detail.str.slice(0, _LONGEST_DETAIL),
    )
    return raw.filter(~anything), rejects


def split_duplicates(
    valid: pl.LazyFrame, key: Sequence[str], source_files: Sequence[str], detail: str
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """The first row of each key, sorted by the key, and the rejects of the others.

    Args:
        valid: rows with the key's columns, `row`, and `PART`, the position in `source_files`.
        key: columns that together may occur once.
        source_files: file names.
        detail: what the rejects say.
    """
    ordered = valid.sort(*key, PART, "row", nulls_last=True)
    again = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in key)
    names = pl.Series(source_files, dtype=pl.String)
    rejects = ordered.filter(again).select(
        source_file=pl.lit(names).gather(pl.col(PART)),
        row=pl.col("row").cast(pl.Int64),
        reason=pl.lit(DUPLICATE),
        detail=pl.lit(detail),
    )
    return ordered.filter(~again), rejects


def usable_id(column: str) -> pl.Expr:
    """The id as trimmed text, null where it is missing, blank, or too long to be one."""
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when((text != "") & (text.str.len_bytes() <= _LONGEST_ID)).then(text)


def clean_events(
    parts: Sequence[RawEvents], known_items: pl.Series | None, latest: datetime
) -> Extract:
    """Checks the events of all files together.

    Args:
        parts: events of each file.
        known_items: ids (of the dtype of `item_id`) that the catalogue has; None skips the check.
        latest: an event after this instant has no usable time.
    """
    split_parts = [
        split(part.frame, _event_rules(part, known_items, latest), part.source_file)
        for part in parts
    ]
    valid = pl.concat(
        [
            usable.select(*_EVENT_KEY, "value", "row", pl.lit(position, dtype=pl.UInt8).alias(PART))
            for position, (usable, _) in enumerate(split_parts)
        ]
    )
    files = [part.source_file for part in parts]
    detail = "the same user, item, time, event type and text again"
    kept, duplicates = split_duplicates(valid, _EVENT_KEY, files, detail)
    frame = kept.select(pl.col(name).cast(dtype) for name, dtype in INTERACTIONS.items())
    rejects = [found for _, found in split_parts]
    return Extract(frame, join_rejects([*rejects, duplicates]))


def join_rejects(parts: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """All rejects in one table, in the columns of `REJECTS`, sorted by file and row."""
    typed = [
        part.select(pl.col(name).cast(dtype) for name, dtype in REJECTS.items()) for part in parts
    ]
    return pl.concat([no_rejects(), *typed]).sort("source_file", "row", "reason")


def _event_rules(part: RawEvents, known_items: pl.Series | None, latest: datetime) -> list[Rule]:
    low, high = part.value_range
    value, given, time = pl.col("value"), pl.col("given_value"), pl.col("event_timestamp")
    outside = ~value.is_between(low, high) | value.is_nan()
    future = pl.concat_str(pl.lit("in the future: "), pl.col("given_time"))
    rules = [
        Rule(BAD_ID, pl.col("user_id").is_null(), pl.lit("the user id is missing or unusable")),
        Rule(BAD_ID, pl.col("item_id").is_null(), pl.lit("the item id is missing or unusable")),
        Rule(BAD_TIME, time.is_null(), pl.col("given_time")),
        Rule(BAD_TIME, time > latest, future),
        Rule(
            BAD_VALUE,
            value.is_null() | (given.is_not_null() & outside),
            given,
        ),
    ]
    if known_items is not None:
        known = pl.col("item_id").is_in(known_items.implode())
        rules.append(Rule(UNKNOWN_ITEM, ~known, pl.col("item_id")))
    return rules

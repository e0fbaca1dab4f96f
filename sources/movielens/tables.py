"""MovieLens rows in the contract's columns."""

from datetime import datetime
from pathlib import Path

import polars as pl

from sources.movielens.layouts import AS_PUBLISHED, Layout, read_films, read_ratings, read_tags
from sources.own_columns import FAULT, ID_FAULT, PART, ROW, VALUE_FAULT, WHOLE
from sources.protocol import ITEMS, TIMESTAMP, Extract
from sources.rejects import (
    BAD_ID,
    UNKNOWN_ITEM,
    RawEvents,
    Rule,
    TimeBounds,
    clean_events,
    join_rejects,
    split,
    split_duplicates,
    whole_line,
)
from sources.text_tables import require_columns, scan_text

RATING = "rating"
TAG = "tag"
_KINDS = pl.Enum([RATING, TAG])
_TAG_RANGE = (0.0, 0.0)
_YEAR = r"\((\d{4})(?:[-–]\d{0,4})?\)\s*$"
_NO_GENRES = "(no genres listed)"


def movielens_events(layout: Layout, known_items: pl.Series, bounds: TimeBounds) -> Extract:
    """Ratings, and tags as events of value 0: a tag says something of a film, not how liked it is.

    Args:
        layout: the files.
        known_items: Int64 film ids of the catalogue.
        bounds: of the times of usable events.
    """
    parts = [
        RawEvents(_events(read_ratings(layout), RATING), layout.ratings.name, layout.value_range)
    ]
    tags = read_tags(layout)
    if tags is not None and layout.tags is not None:
        parts.append(RawEvents(_events(tags, TAG), layout.tags.name, _TAG_RANGE))
    return clean_events(parts, known_items, bounds)


def movielens_items(layout: Layout, synopses: Path | None, known_from: datetime | None) -> Extract:
    """The films; title without the year, genres as categories, the year as attribute.

    Args:
        layout: the files.
        synopses: a CSV of movieId and text, or None.
        known_from: `created_at` of all films: no set says when a film entered its catalogue, so
            all of it is known from the first event on.
    """
    films, rejects = _films(layout)
    described = _synopses(synopses, films["item"])
    year = pl.col("title").str.extract(_YEAR, 1).cast(pl.Int32)
    named = pl.concat_list(pl.struct(name=pl.lit("year"), value=year.cast(pl.Float64)))
    frame = (
        films.lazy()
        .join(described.texts, on="item", how="left")
        .select(
            item_id=pl.col("item").cast(pl.String),
            title=pl.col("title").fill_null("").str.replace(_YEAR, "").str.strip_chars(),
            text=pl.col("text").fill_null(""),
            categories=_genres(),
            attributes=pl.when(year.is_null())
            .then(pl.lit([], dtype=ITEMS["attributes"]))
            .otherwise(named),
            released_at=pl.datetime(year, 1, 1, time_zone="UTC").cast(TIMESTAMP),
            created_at=pl.lit(known_from, dtype=TIMESTAMP),
        )
    )
    return Extract(frame.sort("item_id"), join_rejects([*rejects, described.rejects]))


def film_ids(layout: Layout) -> pl.Series:
    """Int64 ids of the films that can be used."""
    return _films(layout)[0]["item"]


def first_event(layout: Layout) -> datetime | None:
    """The time of the first readable rating."""
    frame = _events(read_ratings(layout), RATING).select(pl.col("event_timestamp").min())
    earliest = frame.collect(engine="streaming").item()
    return earliest if isinstance(earliest, datetime) else None


def _events(raw: pl.LazyFrame, kind: str) -> pl.LazyFrame:
    seconds = pl.col("time").str.strip_chars().cast(pl.Int64, strict=False)
    sane = pl.when(seconds.is_between(1, 2**33)).then(seconds)
    is_rating = kind == RATING
    value_text = pl.col("value").str.strip_chars() if is_rating else pl.lit(None, dtype=pl.String)
    value = (
        value_text.cast(pl.Float32, strict=False) if is_rating else pl.lit(0.0, dtype=pl.Float32)
    )
    return raw.select(
        ROW,
        FAULT,
        pl.lit(None, dtype=pl.String).alias(ID_FAULT),
        pl.lit(None, dtype=pl.String).alias(VALUE_FAULT),
        pl.lit(0, dtype=pl.UInt64).alias(WHOLE),
        user_id=_id("user"),
        item_id=_id("item"),
        value=value,
        event_type=pl.lit(kind, dtype=_KINDS),
        text=pl.lit(None, dtype=pl.String) if is_rating else pl.col("text").str.strip_chars(),
        event_timestamp=pl.from_epoch(sane, time_unit="s")
        .cast(pl.Datetime("us"))
        .dt.replace_time_zone("UTC"),
        given_value=value_text,
        given_time=pl.col("time"),
    )


def _id(column: str) -> pl.Expr:
    number = pl.col(column).str.strip_chars().cast(pl.Int64, strict=False)
    return pl.when(number > 0).then(number)


def _films(layout: Layout) -> tuple[pl.DataFrame, list[pl.LazyFrame]]:
    raw = read_films(layout).lazy().with_columns(item=_id("item"), given=pl.col("item"))
    rules = [whole_line(), Rule(BAD_ID, pl.col("item").is_null(), pl.col("given"))]
    valid, bad = split(raw, rules, layout.films.name)
    placed = valid.with_columns(pl.lit(0, dtype=pl.UInt32).alias(PART))
    unique, again = split_duplicates(
        placed, ["item"], [layout.films.name], "the same movieId again"
    )
    return unique.select("item", "title", "genres").collect(), [bad, again]


class _Synopses:
    """Synopses of known films, and the rows that cannot be used."""

    def __init__(self, texts: pl.LazyFrame, rejects: pl.LazyFrame) -> None:
        self.texts = texts
        self.rejects = rejects


def _synopses(path: Path | None, films: pl.Series) -> _Synopses:
    if path is None:
        empty = pl.LazyFrame(schema={"item": pl.Int64, "text": pl.String})
        return _Synopses(empty, join_rejects([]))
    frame = scan_text(path, AS_PUBLISHED)
    require_columns(path, frame, ["movieId", "text"])
    raw = frame.select(
        ROW, FAULT, item=_id("movieId"), given=pl.col("movieId"), text=pl.col("text")
    )
    rules = [
        whole_line(),
        Rule(BAD_ID, pl.col("item").is_null(), pl.col("given")),
        Rule(UNKNOWN_ITEM, ~pl.col("item").is_in(films.implode()), pl.col("item")),
    ]
    valid, bad = split(raw, rules, path.name)
    placed = valid.with_columns(pl.lit(0, dtype=pl.UInt32).alias(PART))
    unique, again = split_duplicates(placed, ["item"], [path.name], "the same movieId again")
    return _Synopses(unique.select("item", "text"), join_rejects([bad, again]))


def _genres() -> pl.Expr:
    listed = pl.col("genres").fill_null("").str.strip_chars().str.split("|")
    return listed.list.filter((pl.element() != "") & (pl.element() != _NO_GENRES))

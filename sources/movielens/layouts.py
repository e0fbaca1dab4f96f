"""Which files a MovieLens folder has, and how each layout is read."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from sources.own_columns import FAULT, ROW
from sources.protocol import SourceError
from sources.text_tables import NONE, Dialect, require_columns, scan_lines, scan_text

GENRES_100K = (
    "unknown", "Action", "Adventure", "Animation", "Children", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip

_DECADES = (0.5, 5.0)
_WHOLE_STARS = (1.0, 5.0)

AS_PUBLISHED = Dialect(escape=NONE)
"""How GroupLens writes: quotes are doubled, and a backslash is a letter."""


@dataclass(frozen=True)
class Layout:
    """The files of one MovieLens folder.

    Attributes:
        kind: csv, dat (fields between `::`) or 100k (`u.data`, `u.item`).
        ratings, films: the files that every set has.
        tags: None where the set has none.
        value_range: the stars that this set allows.
    """

    kind: str
    ratings: Path
    films: Path
    tags: Path | None
    value_range: tuple[float, float]


def find_layout(folder: Path) -> Layout:
    """The layout of the files in `folder`.

    Raises:
        SourceError: the folder holds no MovieLens set.
    """
    for kind, ratings, films, tags in (
        ("csv", "ratings.csv", "movies.csv", "tags.csv"),
        ("dat", "ratings.dat", "movies.dat", "tags.dat"),
        ("100k", "u.data", "u.item", None),
    ):
        if not (folder / ratings).is_file():
            continue
        if not (folder / films).is_file():
            raise SourceError(f"{folder} has {ratings} but not {films}; put it next to them.")
        tagged = folder / tags if tags and (folder / tags).is_file() else None
        # The 1m set has whole stars and no tags; the 10m set halves and tags.
        halves = kind == "csv" or tagged is not None
        stars = _DECADES if halves else _WHOLE_STARS
        return Layout(kind, folder / ratings, folder / films, tagged, stars)
    raise SourceError(
        f"{folder} holds no ratings.csv, ratings.dat or u.data; "
        "give the folder or zip of a MovieLens set."
    )


def read_ratings(layout: Layout) -> pl.LazyFrame:
    """`ROW`, `FAULT`, user, item, value, time: as text, null where a field is absent."""
    names = ["user", "item", "value", "time"]
    if layout.kind == "csv":
        return _csv(layout.ratings, ["userId", "movieId", "rating", "timestamp"], names)
    separator = "\t" if layout.kind == "100k" else "::"
    fields = pl.col("line").str.split_exact(separator, 3).struct.rename_fields(names)
    return scan_lines(layout.ratings).select(ROW, _no_fault(), fields.alias("f")).unnest("f")


def read_tags(layout: Layout) -> pl.LazyFrame | None:
    """`ROW`, `FAULT`, user, item, text, time: as text; None where the set has no tags."""
    if layout.tags is None:
        return None
    names = ["user", "item", "text", "time"]
    if layout.kind == "csv":
        return _csv(layout.tags, ["userId", "movieId", "tag", "timestamp"], names)
    # A tag may hold the separator itself, so the outer fields are taken first.
    fields = pl.col("line").str.extract_groups(r"^([^:]*)::([^:]*)::(.*)::([^:]*)$")
    return (
        scan_lines(layout.tags)
        .select(ROW, _no_fault(), fields.struct.rename_fields(names).alias("f"))
        .unnest("f")
    )


def read_films(layout: Layout) -> pl.DataFrame:
    """`ROW`, `FAULT`, item, title, genres (between `|`): as text."""
    names = ["item", "title", "genres"]
    if layout.kind == "csv":
        return _csv(layout.films, ["movieId", "title", "genres"], names).collect()
    lines = _decoded(layout.films).splitlines()
    if layout.kind == "dat":
        parts = [line.split("::") for line in lines if line]
        rows = [(part[0], "::".join(part[1:-1]), part[-1]) for part in parts if len(part) > 2]
    else:
        rows = [_film_100k(line.split("|")) for line in lines if line]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    return frame.with_row_index(ROW, offset=1).with_columns(_no_fault())


def _film_100k(fields: list[str]) -> tuple[str, str, str]:
    flags = fields[-len(GENRES_100K) :]
    genres = [name for name, flag in zip(GENRES_100K, flags, strict=False) if flag == "1"]
    title = fields[1] if len(fields) > 1 else ""
    return fields[0], title, "|".join(name for name in genres if name != "unknown")


def _csv(path: Path, columns: list[str], names: list[str]) -> pl.LazyFrame:
    frame = scan_text(path, AS_PUBLISHED)
    require_columns(path, frame, columns)
    renamed = (pl.col(old).alias(new) for old, new in zip(columns, names, strict=True))
    return frame.select(ROW, FAULT, *renamed)


def _no_fault() -> pl.Expr:
    return pl.lit(None, dtype=pl.String).alias(FAULT)


def _decoded(path: Path) -> str:
    """The text of a small file: UTF-8, or Latin-1 as the sets of the 1990s have it."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")

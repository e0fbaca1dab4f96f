"""What a mapping and its files are understood to say, before anyone waits for a run."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from sources.own_columns import ROW
from sources.protocol import Extract
from sources.rejects import EARLIEST
from sources.repairs import LEFT_OUT
from sources.tables.columns import Table
from sources.tables.source import TIMELESS, TablesSource

SAMPLE = 5_000
"""Rows that are looked at from the start and from the end of each file."""

_MOST_FILES = 5
_MOST_NAMES = 10
_FEWEST_OF_A_USER = 3
_FIRST_WEEKS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 3, 1, tzinfo=UTC))
_INSTANT = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class Understanding:
    """What was understood.

    Attributes:
        lines: for people; none shows a user id.
        usable: whether any event of those looked at can be used.
        rejected: the share of the rows looked at that cannot be used, events and items together.
    """

    lines: tuple[str, ...]
    usable: bool
    rejected: float


def check_mapping(
    path: Path,
    *,
    earliest: datetime | None = None,
    latest: datetime | None = None,
    sample: int = SAMPLE,
) -> Understanding:
    """Reads the mapping, and of each file the first and the last rows.

    Args:
        path: the YAML file.
        earliest: an event before it has no usable time.
        latest: an event after it has no usable time; None means now.
        sample: how many rows from the start and from the end of each file.

    Raises:
        SourceError: the mapping or a file cannot be read as it is.
    """
    source = TablesSource(path=path, latest=latest, earliest=earliest or EARLIEST, sample=sample)
    extract = source.interactions()
    events = extract.frame.collect()
    lines = [
        f"{path.name}: understood; root is {source.root}.",
        *_files("Events", source.tables["interactions"], sample),
        *([f"  {TIMELESS}"] if source.mapping.interactions.timeless else []),
        *_of_events(events),
        *_of_wanted(events, whole=not _is_sampled(source.tables["interactions"], sample)),
        *_of_faults(extract),
    ]
    rejected, looked_at = _counts(extract, events)
    if source.mapping.items is None:
        lines.append("Items: none are mapped; they are the ids of the events.")
    else:
        items = source.items()
        usable = items.frame.collect()
        more = _counts(items, usable)
        rejected, looked_at = rejected + more[0], looked_at + more[1]
        lines += [
            *_files("Items", source.tables["items"], sample),
            *_of_items(usable),
            *_of_faults(items),
            *_of_media(source),
        ]
    return Understanding(tuple(lines), not events.is_empty(), rejected / max(1, looked_at))


def _counts(extract: Extract, usable: pl.DataFrame) -> tuple[int, int]:
    """How many of a table's rows cannot be used, and how many there are."""
    rejects = int(extract.rejects.select(pl.len()).collect().item())
    return rejects, rejects + usable.height


def _files(what: str, tables: list[Table], sample: int) -> Iterator[str]:
    shown = ", ".join(table.name for table in tables[:_MOST_FILES])
    more = f" and {len(tables) - _MOST_FILES:,} more files" if len(tables) > _MOST_FILES else ""
    looked = ""
    if _is_sampled(tables, sample):
        looked = f"; looked at the first and last {sample:,} of each file"
    yield f"{what}: {shown}{more}, {sum(map(_rows, tables)):,} rows{looked}."


def _is_sampled(tables: list[Table], sample: int) -> bool:
    """Whether some file has rows that are not looked at."""
    return any(_rows(table) > 2 * sample for table in tables)


def _rows(table: Table) -> int:
    last_row = table.frame.select(pl.col(ROW).max()).collect(engine="streaming").item()
    return int(last_row or 0)


def _of_events(events: pl.DataFrame) -> Iterator[str]:
    if events.is_empty():
        return
    ends = events.select(
        first=pl.col("event_timestamp").min().dt.strftime(_INSTANT),
        last=pl.col("event_timestamp").max().dt.strftime(_INSTANT),
        low=pl.col("value").min(),
        high=pl.col("value").max(),
    ).row(0, named=True)
    kinds = events["event_type"].value_counts(sort=True).head(_MOST_NAMES)
    listed = ", ".join(f"{name} ({count:,})" for name, count in kinds.iter_rows())
    yield (
        f"  usable: {_counted(events.height, 'event')} of "
        f"{_counted(events['user_id'].n_unique(), 'user')} on "
        f"{_counted(events['item_id'].n_unique(), 'item')}"
    )
    yield f"  time: {ends['first']} to {ends['last']} UTC"
    early = events.filter(pl.col("event_timestamp").is_between(*_FIRST_WEEKS)).height
    if early:
        yield (
            f"  {_counted(early, 'event')} of the first weeks of 1970: are their numbers of "
            "another unit than time_format says? unix_s are seconds, unix_ms milliseconds"
        )
    yield f"  value: {ends['low']:g} to {ends['high']:g}"
    yield f"  types: {listed}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _of_wanted(events: pl.DataFrame, whole: bool) -> Iterator[str]:
    """What the events say of what people want, and whether that is enough to judge a model by."""
    wanted = events.filter(pl.col("value") > 0)
    if events.is_empty() or wanted.is_empty():
        if not events.is_empty():
            yield (
                "  wanted: no event of those has a value above 0, which is what says that someone "
                "wanted an item; a run has nothing to learn from and answers with the popular list"
            )
        return
    most = int(wanted["user_id"].value_counts()["count"].max())  # type: ignore[arg-type]
    yield f"  wanted: {wanted.height:,} events of a value above 0, at most {most:,} of one user"
    if whole and (most < _FEWEST_OF_A_USER or wanted["item_id"].n_unique() == 1):
        yield (
            "  too little to judge a model by: that takes two items, and a user with "
            f"{_FEWEST_OF_A_USER} such events, one to learn from, one to choose by and one to "
            "judge by; a run answers with the popular list"
        )


def _of_items(items: pl.DataFrame) -> Iterator[str]:
    if items.is_empty():
        return
    categories = items["categories"].explode().drop_nulls()
    named = categories.value_counts(sort=True)["categories"].head(_MOST_NAMES).to_list()
    titled, described = (items["title"] != "").sum(), (items["text"] != "").sum()
    yield f"  usable: {items.height:,} items, {titled:,} with a title, {described:,} with a text"
    yield f"  categories: {categories.n_unique():,}{': ' if named else ''}{', '.join(named)}"
    yield f"  numbers: {', '.join(_of_numbers(items)) or 'none'}"
    dates = items["released_at"].drop_nulls().sort().dt.strftime("%Y-%m-%d")
    if len(dates):
        yield f"  released: {dates[0]} to {dates[-1]}"


def _of_numbers(items: pl.DataFrame) -> Iterator[str]:
    named = items.select(pl.col("attributes").explode()).drop_nulls().unnest("attributes")
    ends = named.group_by("name").agg(low=pl.col("value").min(), high=pl.col("value").max())
    for name, low, high in ends.sort("name").iter_rows():
        yield f"{name} ({low:g} to {high:g})"


def _of_faults(extract: Extract) -> Iterator[str]:
    rejects = extract.rejects.collect()
    by_reason = rejects.group_by("reason").agg(
        pl.len().alias("rows"), pl.col("source_file", "row", "detail").first()
    )
    for fault in by_reason.sort("rows", "reason", descending=[True, False]).iter_rows(named=True):
        yield (
            f"  would be rejected: {fault['rows']:,} as {fault['reason']}, such as row "
            f"{fault['row']:,} of {fault['source_file']}: {fault['detail']}"
        )
    for repair in extract.repairs.collect().iter_rows(named=True):
        column = f"{repair['column']}: " if repair["column"] else ""
        if repair["what"].startswith(LEFT_OUT) or not column:
            yield f"  {column}{repair['what']}, {repair['rows']:,} rows"
        else:
            yield f"  counts as absent: {column}{repair['what']}, in {repair['rows']:,} rows"


def _of_media(source: TablesSource) -> Iterator[str]:
    counts = dict(source.media().collect()["modality"].value_counts().iter_rows())
    for modality, paths in source.media_paths.items():
        absent = source.absent_media.get(modality)
        example = f"; {absent} names none below {source.root}" if absent else ""
        yield f"  {modality}: {counts.get(modality, 0):,} of {paths:,} paths name a file{example}"

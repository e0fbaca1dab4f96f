"""A small shop: 600 events of 30 users on 25 items, March to September 2021, and its variants."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from sources.tables.source import TablesSource

LATEST = datetime(2027, 1, 1, tzinfo=UTC)
START = datetime(2021, 3, 1)
N_EVENTS, N_USERS, N_ITEMS = 600, 30, 25
MAPPING = """\
root: .
interactions: {path: events.csv, user: user, item: item, time: at, value: stars}
"""
WITH_ITEMS = f"{MAPPING}items: {{path: items.csv, id: sku, title: name}}\n"

Event = tuple[str, int, int, datetime]


def events() -> list[Event]:
    """User, item, stars and time of every event."""
    return [
        (
            f"u{k % 30:03d}",
            101 + (k * 7 + k // 30) % 25,
            1 + k % 5,
            START + timedelta(minutes=437 * k),
        )
        for k in range(N_EVENTS)
    ]


def plain(event: Event) -> str:
    """An event as a line of a CSV."""
    user, item, stars, at = event
    return f"{user},{item},{stars},{at.isoformat()}"


def events_csv(line: Callable[[Event], str] = plain) -> str:
    """All events as a CSV."""
    return "\n".join(["user,item,stars,at", *map(line, events()), ""])


def items_csv(line: Callable[[int], str] = lambda item: f"{item},Film {item}") -> str:
    """All items as a CSV of sku and name."""
    return "\n".join(["sku,name", *map(line, range(101, 126)), ""])


def write(
    folder: Path,
    mapping: str = WITH_ITEMS,
    events: str | bytes | None = None,
    items: str | bytes | None = None,
    **others: str | bytes,
) -> Path:
    """Writes the shop's files, and others by name (`__` stands for a dot); returns the mapping."""
    files: dict[str, str | bytes] = {
        "events.csv": events_csv() if events is None else events,
        "items.csv": items_csv() if items is None else items,
        **{name.replace("__", "."): content for name, content in others.items()},
    }
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
    path = folder / "mapping.yaml"
    path.write_text(mapping, encoding="utf-8")
    return path


def opened(path: Path) -> TablesSource:
    """The shop as a source."""
    return TablesSource(path=path, latest=LATEST)


def read(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The shop's usable events and all its rejects."""
    source = opened(path)
    found = source.interactions()
    rejects = pl.concat([source.items().rejects, found.rejects]).collect()
    return found.frame.collect(), rejects


def catalogue(path: Path) -> pl.DataFrame:
    """The shop's items."""
    return opened(path).items().frame.collect()


def repairs(path: Path) -> list[tuple[str, str, str, int]]:
    """The shop's repaired fields: file, column, what, rows."""
    source = opened(path)
    return pl.concat([source.items().repairs, source.interactions().repairs]).collect().rows()

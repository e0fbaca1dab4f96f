"""Every source: what it is, what it needs to be given, and what opens it.

A source is its own files and an entry here.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sources.sample.config import SampleConfig


@dataclass(frozen=True)
class SourceRequest:
    """What is said of the source that is to be opened.

    Attributes:
        path: folder, zip or file of the source's own.
        set_name: published set to download.
        home_sources: folder for what is generated, downloaded or unpacked.
        sample: sizes of the sample; None takes the usual ones.
        earliest: an event before it has no usable time; by default a time before computers.
        latest: an event after it has no usable time; by default now.
    """

    home_sources: Path
    path: Path | None = None
    set_name: str | None = None
    sample: "SampleConfig | None" = None
    earliest: datetime | None = None
    latest: datetime | None = None


@dataclass(frozen=True)
class SourceEntry:
    """One source.

    Attributes:
        name: as the setting has it.
        description: what it is, for the help text.
        open: where the function is that opens it, as module:function. It is called with a
            `SourceRequest`.
        takes: which of `path` and `name` it takes; one of them at least is needed.
        one_file: whether its path is one file, whose content says how the others are read.
    """

    name: str
    description: str
    open: str
    takes: tuple[str, ...] = ()
    one_file: bool = False


SOURCES: tuple[SourceEntry, ...] = (
    SourceEntry("sample", "generated here, no network", "sources.sample.source:open_sample"),
    SourceEntry(
        "movielens",
        "a folder or zip of GroupLens",
        "sources.movielens.source:open_movielens",
        takes=("path", "name"),
    ),
    SourceEntry(
        "tables",
        "your own Parquet, CSV or JSON Lines, with the YAML file of their mapping",
        "sources.tables.source:open_tables_source",
        takes=("path",),
        one_file=True,
    ),
)

SOURCE_NAMES = tuple(entry.name for entry in SOURCES)


def source_entry(name: str) -> SourceEntry | None:
    """The entry of a source; None where there is none of this name."""
    return next((entry for entry in SOURCES if entry.name == name), None)

"""What every source gives: three tables, the rows it could not use, and its media files."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import polars as pl

Role = Literal["interactions", "items", "media"]
Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how much is done, and how much there is (None: unknown)."""

ATTRIBUTES: pl.DataType = pl.List(pl.Struct({"name": pl.String, "value": pl.Float64}))
TIMESTAMP = pl.Datetime("us", "UTC")

INTERACTIONS = pl.Schema(
    {
        "user_id": pl.String(),
        "item_id": pl.String(),
        "value": pl.Float32(),
        "event_type": pl.String(),
        "text": pl.String(),
        "event_timestamp": TIMESTAMP,
    }
)
ITEMS = pl.Schema(
    {
        "item_id": pl.String(),
        "title": pl.String(),
        "text": pl.String(),
        "categories": pl.List(pl.String()),
        "attributes": ATTRIBUTES,
        "released_at": TIMESTAMP,
        "created_at": TIMESTAMP,
    }
)
MEDIA = pl.Schema({"item_id": pl.String(), "modality": pl.String(), "uri": pl.String()})
REJECTS = pl.Schema(
    {"source_file": pl.String(), "row": pl.Int64(), "reason": pl.String(), "detail": pl.String()}
)
REPAIRS = pl.Schema(
    {"source_file": pl.String(), "column": pl.String(), "what": pl.String(), "rows": pl.Int64()}
)


class SourceError(Exception):
    """A source cannot be read as it is; the message names the file and the way out."""


@dataclass(frozen=True)
class SourceFile:
    """One raw file and the table it feeds."""

    path: Path
    role: Role


def no_rejects() -> pl.LazyFrame:
    """An empty table of rejects."""
    return pl.LazyFrame(schema=REJECTS)


def no_repairs() -> pl.LazyFrame:
    """An empty table of repaired fields."""
    return pl.LazyFrame(schema=REPAIRS)


@dataclass(frozen=True)
class Extract:
    """A clean table, the rows that did not make it, and the fields that were left out of rows.

    Attributes:
        frame: the usable rows, in the columns of `INTERACTIONS` or `ITEMS`, sorted.
        rejects: the columns of `REJECTS`; it never holds a raw user id.
        repairs: the columns of `REPAIRS`: for each column and fault, in how many of the usable
            rows a field that says nothing usable counts as absent.
    """

    frame: pl.LazyFrame
    rejects: pl.LazyFrame
    repairs: pl.LazyFrame = field(default_factory=no_repairs)


@runtime_checkable
class Source(Protocol):
    """Where interactions, items and media come from.

    `root` bounds every file: nothing outside it is opened. User ids are raw here; they become
    pseudonyms (`crossmodal.pseudonyms`) before anything is stored.
    """

    name: str

    @property
    def timeless(self) -> bool:
        """Whether its events have no times: those that they carry are drawn."""
        ...

    @property
    def root(self) -> Path:
        """The folder that holds every file of the source."""
        ...

    def fetch(self, progress: Progress | None = None) -> None:
        """Brings the files into place: generates, downloads or unpacks what is absent.

        Raises:
            SourceError: the files cannot be had.
        """
        ...

    def files(self) -> list[SourceFile]:
        """The raw tables; media files are in `media`."""
        ...

    def interactions(self) -> Extract:
        """Events in the columns of `INTERACTIONS`, sorted by time, user, item, event type."""
        ...

    def items(self) -> Extract:
        """The catalogue in the columns of `ITEMS`, sorted by item_id; ids are unique."""
        ...

    def media(self) -> pl.LazyFrame:
        """Files that exist: item_id, modality (image, audio or video), uri (POSIX, below root).

        An item without a file has no row. Sorted by item_id, then modality.
        """
        ...

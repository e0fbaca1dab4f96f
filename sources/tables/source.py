"""The user's own tables as a source."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import polars as pl

from sources.catalogue import SourceRequest
from sources.own_columns import PART, ROW
from sources.protocol import MEDIA, REJECTS, Extract, Progress, SourceError, SourceFile
from sources.rejects import (
    EARLIEST,
    RawEvents,
    Repeats,
    TimeBounds,
    clean_events,
    first_event,
    join_rejects,
)
from sources.tables.columns import Table
from sources.tables.events import EventForms, raw_events
from sources.tables.ids import IdForm, id_of
from sources.tables.items import MEDIA_PATH, Catalogue, clean_items, items_of_events
from sources.tables.mapping import Mapping
from sources.tables.mapping_file import read_mapping
from sources.tables.numbers import NumberForm
from sources.tables.places import place
from sources.tables.read import open_tables

logger = logging.getLogger(__name__)

TIMELESS = (
    "The events have no times: each gets a made-up time in January 2000. Splits by time are left "
    "out, models that depend on order are not fitted, and figures of recency mean nothing."
)


class TablesSource:
    """Reads Parquet or CSV as a YAML file maps it. Nothing outside the mapping's root is opened."""

    name = "tables"

    def __init__(
        self,
        *,
        path: Path | None,
        latest: datetime | None = None,
        earliest: datetime = EARLIEST,
        sample: int | None = None,
    ) -> None:
        """Reads the mapping.

        Args:
            path: the YAML file.
            latest: an event after it has no usable time; None means now.
            earliest: an event before it has no usable time.
            sample: only so many of the first and of the last rows of each file; None takes all.

        Raises:
            SourceError: there is no mapping, or part of it is not understood.
        """
        if path is None:
            raise SourceError("The tables source needs the YAML file that maps them (--path).")
        self._file = path.resolve()
        self._mapping = read_mapping(self._file)
        self._sample = sample
        self._bounds = TimeBounds(latest or datetime.now(UTC), earliest)

    @cached_property
    def root(self) -> Path:
        """The folder that bounds every path."""
        folder = (self._file.parent / self._mapping.root).resolve()
        if not folder.is_dir():
            raise SourceError(f"{self._file}: root {self._mapping.root!r} is not a folder.")
        return folder

    @property
    def timeless(self) -> bool:
        """Whether the mapping says `time: none`."""
        return self._mapping.interactions.timeless

    def fetch(self, progress: Progress | None = None) -> None:
        """Nothing: the tables are the user's."""

    def files(self) -> list[SourceFile]:
        """The files of the events and, where there are some, of the items."""
        return [
            *(SourceFile(table.path, "interactions") for table in self._events_tables),
            *(SourceFile(table.path, "items") for table in self._items_tables),
        ]

    def interactions(self) -> Extract:
        """The events, as the mapping has them."""
        return clean_events(self._raw_events, self._known_items, self._bounds, self._repeats)

    def items(self) -> Extract:
        """The catalogue; without an items file, the bare ids of the events.

        Its rejects also hold media paths that lead outside the root or to a network: the path is
        left out, and the item stays.
        """
        if self._mapping.items is None:
            events = clean_events(self._raw_events, None, self._bounds, self._repeats).frame
            return Extract(items_of_events(events, self._first_event), join_rejects([]))
        extract = self._catalogue.items
        rejects = join_rejects([extract.rejects, self._media_found.refused.lazy()])
        return Extract(extract.frame, rejects, extract.repairs)

    def media(self) -> pl.LazyFrame:
        """Files of the media columns that exist below the root."""
        return self._media_found.files.lazy()

    @cached_property
    def _events_tables(self) -> list[Table]:
        mapping = self._mapping.interactions
        return open_tables(
            self._file, "interactions", mapping, mapping.named, self.root, self._sample
        )

    @cached_property
    def _items_tables(self) -> list[Table]:
        mapping = self._mapping.items
        if mapping is None:
            return []
        wanted = [*mapping.named, *self._mapping.media.columns.values()]
        return open_tables(self._file, "items", mapping, wanted, self.root, self._sample)

    @cached_property
    def _known_items(self) -> pl.Series | None:
        """Ids of the catalogue, of all rows even where a sample is looked at; None without one."""
        mapping = self._mapping.items
        if mapping is None:
            return None
        if self._sample is None:
            return self._catalogue.rows.select("item_id").collect().to_series()
        whole = open_tables(self._file, "items", mapping, mapping.named, self.root)
        ids = [
            table.frame.select(
                item_id=id_of(
                    table.column("id", mapping.id), "item", self._item_form, self._mapping.blanks
                ).value
            )
            for table in whole
        ]
        return pl.concat(ids).drop_nulls().unique().collect(engine="streaming").to_series()

    @property
    def _repeats(self) -> Repeats:
        return self._mapping.interactions.repeats_in_force

    @cached_property
    def _raw_events(self) -> list[RawEvents]:
        mapping = self._mapping.interactions
        if self.timeless:
            logger.warning(TIMELESS)
        tables = self._events_tables
        valued = [(table, "value", mapping.value) for table in tables if mapping.value]
        forms = EventForms(
            IdForm.of((table, "user", mapping.user) for table in tables),
            self._item_form,
            NumberForm.of(mapping.decimal, valued, "interactions"),
        )
        return [raw_events(table, mapping, self._mapping.blanks, forms) for table in tables]

    @cached_property
    def _item_form(self) -> IdForm:
        """One form for both files, since their ids are to match."""
        columns = [
            (table, "item", self._mapping.interactions.item) for table in self._events_tables
        ]
        if self._mapping.items is not None:
            columns += [(table, "id", self._mapping.items.id) for table in self._items_tables]
        return IdForm.of(columns)

    @cached_property
    def _first_event(self) -> datetime | None:
        return first_event(self._raw_events, self._bounds)

    @cached_property
    def _catalogue(self) -> Catalogue:
        if self._mapping.items is None:
            raise SourceError(f"{self._file} maps no items.")
        return clean_items(
            self._items_tables,
            self._mapping.items,
            self._mapping.media.columns,
            self._mapping.blanks,
            self._item_form,
            self._first_event,
        )

    @property
    def tables(self) -> dict[str, list[Table]]:
        """The files of each section."""
        return {"interactions": self._events_tables, "items": self._items_tables}

    @property
    def mapping(self) -> Mapping:
        """What the YAML file says."""
        return self._mapping

    @cached_property
    def media_paths(self) -> dict[str, int]:
        """How many paths each modality's column holds."""
        columns = self._mapping.media.columns
        counts = self._catalogue.rows.select(
            pl.col(f"{MEDIA_PATH}{modality}").count().alias(modality) for modality in columns
        )
        return counts.collect().row(0, named=True) if columns else {}

    @property
    def absent_media(self) -> dict[str, str]:
        """For each modality with paths that name no file, the first such path."""
        return self._media_found.absent

    @cached_property
    def _media_found(self) -> "_MediaPaths":
        """Every path of the media columns: used, rejected, or of no file. Warns of the last."""
        columns = self._mapping.media.columns
        if not columns:
            return _MediaPaths(pl.DataFrame(schema=MEDIA), join_rejects([]).collect(), {})
        names = [table.name for table in self._items_tables]
        rows = self._catalogue.rows.select(
            ROW, PART, "item_id", *(f"{MEDIA_PATH}{modality}" for modality in columns)
        ).collect()
        accepted, refused = [], []
        absent: dict[str, list[str]] = {}
        for modality, column in columns.items():
            paths = rows.select(ROW, PART, "item_id", f"{MEDIA_PATH}{modality}").drop_nulls()
            for row, part, item, path in paths.iter_rows():
                where = place(path, self.root)
                if where.reason:
                    refused.append((names[part], row, where.reason, f"{column}: {path}"[:80]))
                elif where.uri:
                    accepted.append((item, modality, where.uri))
                else:
                    absent.setdefault(modality, []).append(path)
        self._warn_of_absent(absent)
        media = pl.DataFrame(accepted, schema=MEDIA, orient="row").sort("item_id", "modality")
        return _MediaPaths(
            media,
            pl.DataFrame(refused, schema=REJECTS, orient="row"),
            {modality: paths[0] for modality, paths in absent.items()},
        )

    def _warn_of_absent(self, absent: dict[str, list[str]]) -> None:
        """Names, for each modality, how many paths name no file, and the first of them."""
        for modality, paths in absent.items():
            logger.warning(
                "%d paths of %s in %s name no file below %s, such as %s.",
                len(paths),
                self._mapping.media.columns[modality],
                ", ".join(table.name for table in self._items_tables),
                self.root,
                paths[0],
            )


@dataclass(frozen=True)
class _MediaPaths:
    """What the media columns name.

    Attributes:
        files: that exist, in the columns of `MEDIA`.
        refused: paths that are rejected, in the columns of `REJECTS`.
        absent: for each modality with such paths, the first one that names no file.
    """

    files: pl.DataFrame
    refused: pl.DataFrame
    absent: dict[str, str]


def open_tables_source(request: SourceRequest) -> TablesSource:
    """The tables that a mapping names.

    Raises:
        SourceError: there is no mapping, or part of it is not understood.
    """
    return TablesSource(
        path=request.path, latest=request.latest, earliest=request.earliest or EARLIEST
    )

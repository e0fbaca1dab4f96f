"""The user's own tables as a source."""

import logging
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import polars as pl

from sources.protocol import MEDIA, Extract, Progress, SourceError, SourceFile
from sources.rejects import RawEvents, clean_events, join_rejects
from sources.tables.events import raw_events
from sources.tables.items import clean_items, items_of_events
from sources.tables.mapping import ItemsMapping, read_mapping
from sources.tables.places import place
from sources.tables.read import check_columns, open_table

logger = logging.getLogger(__name__)


class TablesSource:
    """Reads Parquet or CSV as a YAML file maps it. Nothing outside the mapping's root is opened."""

    name = "tables"

    def __init__(self, *, path: Path | None, latest: datetime | None = None) -> None:
        if path is None:
            raise SourceError("The tables source needs the YAML file that maps them (--path).")
        self._file = path.resolve()
        self._mapping = read_mapping(self._file)
        self._latest = latest or datetime.now(UTC)

    @cached_property
    def root(self) -> Path:
        """The folder that bounds every path."""
        folder = (self._file.parent / self._mapping.root).resolve()
        if not folder.is_dir():
            raise SourceError(f"{self._file}: root {self._mapping.root!r} is not a folder.")
        return folder

    def fetch(self, progress: Progress | None = None) -> None:
        """Nothing: the tables are the user's."""

    def files(self) -> list[SourceFile]:
        """The events file and, where there is one, the items file."""
        found = [SourceFile(self._events_table[1], "interactions")]
        if self._items_table:
            found.append(SourceFile(self._items_table[1], "items"))
        return found

    def interactions(self) -> Extract:
        """The events, as the mapping has them."""
        if self._items_table is None:
            return clean_events([self._raw_events], None, self._latest)
        known = self._known_rows.select("item_id").collect().to_series()
        return clean_events([self._raw_events], known, self._latest)

    def items(self) -> Extract:
        """The catalogue; without an items file, the bare ids of the events.

        Its rejects also hold media paths that lead outside the root or to a network: such a path
        is left out, the item stays.
        """
        if self._items_table is None:
            events = clean_events([self._raw_events], None, self._latest).frame
            return Extract(items_of_events(events, self._first_event), join_rejects([]))
        extract = self._clean_items[0]
        return Extract(extract.frame, join_rejects([extract.rejects, self._media_found[1].lazy()]))

    def media(self) -> pl.LazyFrame:
        """Files of the media columns that exist below the root."""
        return self._media_found[0].lazy()

    @cached_property
    def _events_table(self) -> tuple[pl.LazyFrame, Path]:
        mapping = self._mapping.interactions
        frame, path = open_table(
            self._file, "interactions", mapping.path, self.root, mapping.separator
        )
        wanted = [
            (key, getattr(mapping, key))
            for key in ("user", "item", "time", "type", "value", "text")
        ]
        check_columns(self._file, "interactions", path, frame.collect_schema(), wanted)
        return frame, path

    @cached_property
    def _items_table(self) -> tuple[pl.LazyFrame, Path, ItemsMapping] | None:
        mapping = self._mapping.items
        if mapping is None:
            return None
        frame, path = open_table(self._file, "items", mapping.path, self.root, mapping.separator)
        keys = ("id", "title", "text", "released_at", "created_at")
        wanted = [(key, getattr(mapping, key)) for key in keys]
        wanted += [("attributes", column) for column in mapping.attributes]
        if mapping.categories:
            wanted.append(("categories.column", mapping.categories.column))
        schema = frame.collect_schema()
        check_columns(self._file, "items", path, schema, wanted)
        check_columns(self._file, "media", path, schema, self._mapping.media.columns.items())
        return frame, path, mapping

    @cached_property
    def _raw_events(self) -> RawEvents:
        frame, path = self._events_table
        return raw_events(frame, self._mapping.interactions, self._below(path))

    @cached_property
    def _first_event(self) -> datetime | None:
        time = pl.col("event_timestamp")
        usable = self._raw_events.frame.filter(time <= self._latest)
        found = usable.select(time.min()).collect(engine="streaming").item()
        return found if isinstance(found, datetime) else None

    @cached_property
    def _clean_items(self) -> tuple[Extract, pl.LazyFrame]:
        if self._items_table is None:
            raise SourceError(f"{self._file} maps no items.")
        frame, path, mapping = self._items_table
        return clean_items(frame, mapping, self._below(path), self._first_event)

    @property
    def _known_rows(self) -> pl.LazyFrame:
        return self._clean_items[1]

    @cached_property
    def _media_found(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Media files that exist, and the paths that are rejected."""
        columns = self._mapping.media.columns
        if self._items_table is None or not columns:
            return pl.DataFrame(schema=MEDIA), join_rejects([]).collect()
        rows = self._known_rows.select(
            "row",
            "item_id",
            *(pl.col(column).cast(pl.String) for column in dict.fromkeys(columns.values())),
        ).collect()
        source_file = self._below(self._items_table[1])
        found, refused, absent = [], [], 0
        for modality, column in columns.items():
            for row, item, given in rows.select("row", "item_id", column).iter_rows():
                if given is None or not given.strip():
                    continue
                where = place(given, self.root)
                if where.reason:
                    refused.append((source_file, row, where.reason, f"{column}: {given}"[:80]))
                elif where.uri:
                    found.append((item, modality, where.uri))
                else:
                    absent += 1
        if absent:
            logger.warning("%d media paths of %s name no file.", absent, source_file)
        media = pl.DataFrame(found, schema=MEDIA, orient="row").sort("item_id", "modality")
        empty = join_rejects([]).collect()
        return media, pl.DataFrame(refused, schema=empty.schema, orient="row")

    def _below(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

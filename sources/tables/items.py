"""The user's catalogue in the contract's columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from sources.own_columns import FAULT, ID_FAULT, PART, ROW
from sources.protocol import ATTRIBUTES, ITEMS, TIMESTAMP, Extract
from sources.rejects import BAD_ID, Rule, join_rejects, split, split_duplicates, whole_line
from sources.repairs import count_repairs, join_repairs
from sources.tables.cells import (
    Cell,
    categories_cell,
    date_cell,
    number_cell,
    repair_flags,
    text_cell,
)
from sources.tables.columns import Table
from sources.tables.ids import IdForm, id_of
from sources.tables.listed_text import require_no_records
from sources.tables.mapping import Categories, ItemsMapping
from sources.tables.numbers import NumberForm

MEDIA_PATH = "part:media:"
"""Before a modality: what the kept rows hold of its files."""


@dataclass(frozen=True)
class Catalogue:
    """Items, and what else their rows hold.

    Attributes:
        items: rows, rejects and repairs.
        rows: for each item `ROW`, `PART` (which file), item_id, and its media paths.
    """

    items: Extract
    rows: pl.LazyFrame


@dataclass(frozen=True)
class _Part:
    """One file of the catalogue: a frame in the contract's columns, and its repairs' flags."""

    frame: pl.LazyFrame
    source_file: str
    repaired: Mapping[str, tuple[str, str]]


class _Cells:
    """Reads the columns of one file.

    Args:
        table: the file.
        blanks: words that stand for nothing.
        time_format: of dates.

    Attributes:
        named: what was read so far, by column: any of it may have to be repaired.
    """

    def __init__(self, table: Table, blanks: tuple[str, ...], time_format: str) -> None:
        self._table, self._blanks, self._time_format = table, blanks, time_format
        self.named: list[tuple[str, Cell]] = []

    def value(self, name: str, cell: Cell) -> pl.Expr:
        """What a cell of the column of this name says."""
        self.named.append((name, cell))
        return cell.value

    def text(self, key: str, name: str | None) -> pl.Expr:
        """The text of a column that the mapping's key names; empty where there is none."""
        if name is None:
            return pl.lit("")
        column = self._table.column(key, name, lists=True)
        return self.value(name, text_cell(column, self._blanks)).fill_null("")

    def time(self, key: str, name: str | None) -> pl.Expr:
        """The instant of a column that the mapping's key names; null where there is none."""
        if name is None:
            return pl.lit(None, dtype=TIMESTAMP)
        column = self._table.column(key, name)
        return self.value(name, date_cell(column, self._blanks, self._time_format))


def clean_items(
    tables: Sequence[Table],
    mapping: ItemsMapping,
    media: Mapping[str, str],
    blanks: tuple[str, ...],
    form: IdForm,
    known_from: datetime | None,
) -> Catalogue:
    """The catalogue of all files together.

    Args:
        tables: the files.
        mapping: which column is what.
        media: column of the paths by modality.
        blanks: words that stand for nothing.
        form: of the item ids.
        known_from: `created_at` of an item that has none.
    """
    numbered = [(table, "attributes", name) for table in tables for name in mapping.attributes]
    numbers = NumberForm.of(mapping.decimal, numbered, "items")
    parts = [_part(table, mapping, media, blanks, form, numbers) for table in tables]
    rules = [whole_line(), Rule(BAD_ID, pl.col("item_id").is_null(), pl.col(ID_FAULT))]
    checked = [split(part.frame, rules, part.source_file) for part in parts]
    columns = [ROW, *ITEMS.names(), *(f"{MEDIA_PATH}{modality}" for modality in media)]
    valid = pl.concat(
        [
            usable.select(*columns, pl.lit(place, dtype=pl.UInt32).alias(PART))
            for place, (usable, _) in enumerate(checked)
        ]
    )
    files = [part.source_file for part in parts]
    unique, again = split_duplicates(valid, ["item_id"], files, "the same item id again")
    repairs = [
        count_repairs(
            usable,
            {repair: pl.col(flag) for flag, repair in part.repaired.items()},
            part.source_file,
        )
        for part, (usable, _) in zip(parts, checked, strict=True)
    ]
    frame = unique.select(ITEMS.names()).with_columns(
        pl.col("created_at").fill_null(pl.lit(known_from, dtype=TIMESTAMP))
    )
    rejects = join_rejects([*(bad for _, bad in checked), again])
    return Catalogue(Extract(frame, rejects, join_repairs(repairs)), unique)


def items_of_events(events: pl.LazyFrame, known_from: datetime | None) -> pl.LazyFrame:
    """A catalogue of bare ids, for tables that have no items file."""
    return (
        events.select(pl.col("item_id").unique())
        .sort("item_id")
        .select(
            "item_id",
            title=pl.lit(""),
            text=pl.lit(""),
            categories=pl.lit([], dtype=ITEMS["categories"]),
            attributes=pl.lit([], dtype=ATTRIBUTES),
            released_at=pl.lit(None, dtype=TIMESTAMP),
            created_at=pl.lit(known_from, dtype=TIMESTAMP),
        )
    )


def _part(
    table: Table,
    mapping: ItemsMapping,
    media: Mapping[str, str],
    blanks: tuple[str, ...],
    form: IdForm,
    number_form: NumberForm,
) -> _Part:
    """One file in the contract's columns."""
    cells = _Cells(table, blanks, mapping.time_format)
    item = id_of(table.column("id", mapping.id), "item", form, blanks)
    categories: pl.Expr = pl.lit([], dtype=ITEMS["categories"])
    if mapping.categories:
        column = mapping.categories.column
        categories = cells.value(column, _categories(table, mapping.categories, blanks))
    numbers = {
        name: cells.value(name, number_cell(table.column("attributes", name), blanks, number_form))
        for name in sorted(mapping.attributes)
    }
    paths = {
        f"{MEDIA_PATH}{modality}": text_cell(table.column(f"media.{modality}", name), blanks).value
        for modality, name in media.items()
    }
    columns = {
        "item_id": item.value,
        "title": cells.text("title", mapping.title),
        "text": cells.text("text", mapping.text),
        "categories": categories,
        "attributes": _attributes(numbers),
        "released_at": cells.time("released_at", mapping.released_at),
        "created_at": cells.time("created_at", mapping.created_at),
        **paths,
    }
    flags = repair_flags(cells.named)
    named = {f"{PART}repair{place}": of for place, of in enumerate(flags)}
    frame = table.frame.select(
        ROW,
        FAULT,
        item.fault.alias(ID_FAULT),
        **columns,
        **{flag: flags[of] for flag, of in named.items()},
    )
    return _Part(frame, table.name, named)


def _categories(table: Table, mapping: Categories, blanks: tuple[str, ...]) -> Cell:
    key, name, path = "categories.column", mapping.column, mapping.path
    if path is not None and name in table.schema and table.schema[name].is_nested():
        name, path = f"{name}.{path}", None
    column = table.column(key, name, lists=True)
    if not column.is_list and path is None:
        require_no_records(table, key, column)
    return categories_cell(column, blanks, mapping.separator, path)


def _attributes(numbers: Mapping[str, pl.Expr]) -> pl.Expr:
    """Named numbers, in their order; a number that is not there has no entry."""
    if not numbers:
        return pl.lit([], dtype=ATTRIBUTES)
    pairs = [pl.struct(name=pl.lit(name), value=value) for name, value in numbers.items()]
    return pl.concat_list(pairs).list.filter(pl.element().struct.field("value").is_not_null())

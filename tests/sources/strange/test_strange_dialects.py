"""Tables in any dialect come back value by value; `make fuzz-sources` tries ten thousand."""

import bz2
import csv
import gzip
import io
import json
import lzma
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strange_tables import LATEST

from sources.tables.mapping import BLANKS
from sources.tables.source import TablesSource

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda content: bytes(pa.Codec("zstd").compress(content)),
}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1251", "gb18030"]
# A few in each run of the tests; `make fuzz-sources` chooses a profile of more.
FUZZ = settings(
    max_examples=settings.default.max_examples if settings.default.max_examples > 100 else 60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
SWAPPED = str.maketrans(",.", ".,")
HEADER = ["sku", "name", "about", "price", "made"]


@dataclass(frozen=True)
class Row:
    """What an item says; None where it says nothing."""

    title: str | None
    text: str | None
    price: float | None
    made: datetime | None


@dataclass(frozen=True)
class Dialect:
    """How a file is written."""

    separator: str
    quote: str | None
    escaped: bool
    quoting: int
    encoding: str
    end: str
    packed: str
    header: bool
    blank: str
    unit: str
    decimal: str | None

    @property
    def holds_all(self) -> bool:
        """Whether a cell may hold separators and line ends."""
        return self.quote is not None or self.escaped

    @property
    def grouped(self) -> str | None:
        """The sign before a fraction where numbers have signs: a comma needs to be held."""
        return self.decimal if self.holds_all or self.separator != "," else None


TEXTS = st.text(
    st.one_of(
        st.sampled_from(list(",;|\t'\"\n #-\\éÿ你Ж[]{}")),
        st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")),
    ),
    max_size=12,
)
MADE = st.datetimes(datetime(1500, 1, 1), datetime(2200, 1, 1)).map(
    lambda at: at.replace(microsecond=0)
)
ROWS = st.lists(
    st.builds(
        Row,
        st.none() | TEXTS,
        st.none() | TEXTS,
        st.none() | st.floats(-1e6, 1e6, allow_nan=False) | st.integers(-9999, 9999).map(float),
        st.none() | MADE,
    ),
    min_size=1,
    max_size=8,
)
DIALECTS = st.builds(
    Dialect,
    separator=st.sampled_from([",", ";", "\t", "|"]),
    quote=st.sampled_from(['"', "'", None]),
    escaped=st.booleans(),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    encoding=st.sampled_from(ENCODINGS),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    packed=st.sampled_from(sorted(PACKERS)),
    header=st.booleans(),
    blank=st.sampled_from(["", "NULL", "\\N", "NaN", "None"]),
    unit=st.sampled_from(["iso", "unix_s", "%d.%m.%Y %H:%M:%S"]),
    decimal=st.sampled_from([None, ".", ","]),
)


def said(text: str | None) -> str:
    """What the contract makes of a text: trimmed, line feeds within, nothing for its words."""
    trimmed = (text or "").strip()
    return "" if trimmed in BLANKS else trimmed


def writable(text: str | None, dialect: Dialect) -> str | None:
    """The text without what a file of this dialect cannot hold."""
    if text is None:
        return None
    kept = text.encode(dialect.encoding, "ignore").decode(dialect.encoding, "ignore")
    # Unicode's own line ends are letters to a CSV, but not to Python's trimming.
    kept = "".join(letter for letter in kept if letter not in "\x85\u2028\u2029\ufeff\ufffd")
    if not dialect.holds_all:
        kept = kept.replace(dialect.separator, "").replace("\n", "")
    return kept.replace("\n", "") if dialect.end == "\r" else kept


def written(rows: list[Row], dialect: Dialect) -> bytes:
    """The rows as a file."""

    def time(at: datetime | None) -> str:
        if at is None:
            return dialect.blank
        if dialect.unit == "iso":
            return at.isoformat(sep=" ")
        if dialect.unit == "unix_s":
            return str(int((at - datetime(1970, 1, 1)).total_seconds()))
        return f"{at:%d.%m}.{at.year:04d} {at:%H:%M:%S}"

    def number(price: float | None) -> str:
        if price is None:
            return dialect.blank
        if dialect.grouped is None:
            return repr(price)
        grouped = f"{price:,}"
        return grouped if dialect.grouped == "." else grouped.translate(SWAPPED)

    out = io.StringIO(newline="")
    lines = [HEADER] if dialect.header else []
    for place, row in enumerate(rows):
        told = [dialect.blank if text is None else text for text in (row.title, row.text)]
        lines.append([f"i{place}", *told, number(row.price), time(row.made)])
    if not dialect.holds_all:
        out.writelines(dialect.separator.join(line) + dialect.end for line in lines)
    else:
        csv.writer(
            out,
            delimiter=dialect.separator,
            quotechar=dialect.quote or '"',
            quoting=csv.QUOTE_NONE if dialect.quote is None else dialect.quoting,
            escapechar="\\" if dialect.escaped else None,
            doublequote=not dialect.escaped,
            lineterminator=dialect.end,
        ).writerows(lines)
    return PACKERS[dialect.packed](out.getvalue().encode(dialect.encoding))


def read_back(content: bytes, name: str, **mapped: Any) -> list[dict[str, Any]]:
    """The items of a file."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(content)
        (Path(folder) / "events.csv").write_text("u,i,t\na,i0,2021-03-01\n")
        mapping = {
            "interactions": {"path": "events.csv", "user": "u", "item": "i", "time": "t"},
            "items": {
                "path": name,
                "id": "sku",
                "title": "name",
                "text": "about",
                "attributes": ["price"],
                "released_at": "made",
                **mapped,
            },
        }
        path = Path(folder) / "mapping.yaml"
        path.write_text(yaml.safe_dump(mapping, allow_unicode=True), encoding="utf-8")
        items = TablesSource(path=path, latest=LATEST).items()
        assert items.rejects.collect().is_empty()
        return items.frame.collect().to_dicts()


def require_same(found: list[dict[str, Any]], rows: list[Row]) -> None:
    """Compares value by value."""
    assert [item["item_id"] for item in found] == [f"i{n}" for n in range(len(rows))]
    for item, row in zip(found, rows, strict=True):
        assert item["title"] == said(row.title)
        assert item["text"] == said(row.text)
        price = [] if row.price is None else [{"name": "price", "value": row.price}]
        assert item["attributes"] == price
        made = None if row.made is None else row.made.replace(tzinfo=UTC)
        assert item["released_at"] == made


@FUZZ
@given(ROWS, DIALECTS)
def test_a_table_in_any_dialect_comes_back(rows: list[Row], dialect: Dialect) -> None:
    rows = [
        Row(writable(row.title, dialect), writable(row.text, dialect), row.price, row.made)
        for row in rows
    ]
    if dialect.unit == "unix_s":
        # Zero is no time of a release; a second later is one.
        zero, second = datetime(1970, 1, 1), timedelta(seconds=1)
        rows = [
            Row(
                row.title,
                row.text,
                row.price,
                row.made and (row.made + second * (row.made == zero)),
            )
            for row in rows
        ]
    found = read_back(
        written(rows, dialect),
        "items.csv",
        separator=dialect.separator,
        quote=dialect.quote or "none",
        **({"escape": "\\"} if dialect.escaped else {}),
        **({"decimal": dialect.grouped} if dialect.grouped else {}),
        encoding=dialect.encoding,
        time_format=dialect.unit,
        **({} if dialect.header else {"columns": HEADER}),
    )
    require_same(found, rows)


@FUZZ
@given(
    ROWS, st.sampled_from(["string", "categorical", "json"]), st.sampled_from(["ms", "us", "ns"])
)
def test_a_typed_table_comes_back(rows: list[Row], kind: str, unit: Any) -> None:
    rows = [
        Row(
            *(
                None if text is None else text.replace("\ufffd", "")
                for text in (row.title, row.text)
            ),
            row.price,
            row.made,
        )
        for row in rows
    ]
    if kind == "json":
        lines = [
            {
                "sku": f"i{n}",
                "name": row.title,
                "about": row.text,
                "price": row.price,
                "made": row.made and row.made.isoformat(),
            }
            for n, row in enumerate(rows)
        ]
        content = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
        require_same(read_back(content, "items.jsonl"), rows)
        return
    texts = pl.Categorical() if kind == "categorical" else pl.String()
    dated = [
        row.made if unit != "ns" or row.made is None or row.made.year > 1700 else None
        for row in rows
    ]
    rows = [Row(row.title, row.text, row.price, at) for row, at in zip(rows, dated, strict=True)]
    frame = pl.DataFrame(
        {
            "sku": [f"i{n}" for n in range(len(rows))],
            "name": pl.Series([row.title for row in rows], dtype=pl.String).cast(texts),
            "about": pl.Series([row.text for row in rows], dtype=pl.String),
            "price": pl.Series([row.price for row in rows], dtype=pl.Float64),
            "made": pl.Series([row.made for row in rows], dtype=pl.Datetime("us")).cast(
                pl.Datetime(unit)
            ),
        }
    )
    out = io.BytesIO()
    frame.write_parquet(out)
    require_same(read_back(out.getvalue(), "items.parquet"), rows)

"""Text files of every dialect: the same table comes out, or a sentence says why not."""

import bz2
import gzip
import io
import logging
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from strange_tables import (
    MAPPING,
    N_EVENTS,
    WITH_ITEMS,
    catalogue,
    events_csv,
    items_csv,
    opened,
    read,
    write,
)

from sources.protocol import SourceError

CATEGORIES = WITH_ITEMS.replace("title: name", "title: name, categories: {column: genre}")
TITLES = 'sku,name\n101,"Monsters, Inc."\n102,"Say ""hi"""\n103,"Two\nlines"\n104,""""\n'


def zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("items.csv", content)
    return packed.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda content: bytes(pa.Codec("zstd").compress(content)),
    "zip": zipped,
}


@pytest.mark.parametrize(
    "line", ["103,Monsters, Inc.,Animation", "103,A,B,", "103,A,B,,", "103,,,,"]
)
def test_a_line_with_too_many_fields_is_rejected_with_its_row(tmp_path: Path, line: str) -> None:
    rows = [line if n == 103 else f"{n},Film,Drama" for n in range(101, 126)]
    path = write(tmp_path, CATEGORIES, items="\n".join(["sku,name,genre", *rows]))
    rejects = opened(path).items().rejects.collect()
    assert rejects.select("row", "reason").rows() == [(3, "bad_line")]
    assert "more fields than the 3 columns" in rejects["detail"][0]
    assert catalogue(path).height == 24


def test_an_event_with_too_many_fields_is_rejected_with_its_row(tmp_path: Path) -> None:
    text = events_csv() + '"u001",101,5,2021-09-01,too much\n'
    found, rejects = read(write(tmp_path, events=text))
    assert found.height == N_EVENTS
    assert rejects.select("row", "reason").rows() == [(601, "bad_line")]


def test_a_quote_that_is_none_costs_its_line_and_says_the_way_out(tmp_path: Path) -> None:
    rows = [
        f'{n}\t"Giliap\tDrama' if n in (103, 120) else f"{n}\tFilm\tDrama" for n in range(101, 126)
    ]
    mapping = CATEGORIES.replace("path: items.csv", "path: items.csv, separator: tab")
    text = "\n".join(["sku\tname\tgenre", *rows])
    found = opened(write(tmp_path, mapping, items=text)).items()
    assert found.rejects.collect().select("row", "reason").rows() == [
        (3, "bad_line"),
        (20, "bad_line"),
    ]
    assert "quote: none" in found.rejects.collect()["detail"][0]
    bare = mapping.replace("separator: tab", "separator: tab, quote: none")
    titles = catalogue(write(tmp_path, bare, items=text))["title"].to_list()
    assert titles.count('"Giliap') == 2 and len(titles) == 25


@pytest.mark.parametrize("apart", [1, 2, 20])
def test_rows_that_two_stray_quotes_swallow_stop_the_run(tmp_path: Path, apart: int) -> None:
    def row(n: int) -> str:
        if n == 103:
            return f'{n},"Film,3.5'
        return f'{n},Film",3.5' if n == 103 + apart else f"{n},Film,3.5"

    text = "\n".join(["sku,name,price", *map(row, range(101, 126))])
    path = write(tmp_path, items=text)
    with pytest.raises(SourceError, match=r"items\.csv, line 4: a quote opens a cell") as caught:
        catalogue(path)
    assert "quote: none" in str(caught.value)
    bare = WITH_ITEMS.replace("title: name", "title: name, quote: none")
    assert catalogue(write(tmp_path, bare, items=text)).height == 25


def test_events_that_are_swallowed_are_noticed(tmp_path: Path) -> None:
    lines = events_csv().splitlines()
    lines[100] = lines[100].replace(",", ',"', 1)
    lines[300] = lines[300].replace(",2021", '",2021', 1)
    with pytest.raises(SourceError, match="line 101: a quote"):
        read(write(tmp_path, events="\n".join(lines)))


def test_texts_of_many_lines_are_no_swallowed_rows(tmp_path: Path) -> None:
    text = "\n\nIn 2010, it won.\n101, the first.\nA, B, and C.\n"
    rows = [f'{n},"Film {n}: {text}"' for n in range(101, 126)]
    found = catalogue(write(tmp_path, items="\n".join(["sku,name", *rows])))
    assert found["title"].to_list() == [f"Film {n}: {text}".strip() for n in range(101, 126)]


def test_a_quote_that_the_mapping_names_is_believed(tmp_path: Path) -> None:
    mapping = WITH_ITEMS.replace("title: name", "title: name, quote: '\"'")
    text = 'sku,name,price\n101,"A\n102,B,3\n103,C,4\nD",5\n104,E,6\n'
    assert catalogue(write(tmp_path, mapping, items=text))["title"].to_list() == [
        "A\n102,B,3\n103,C,4\nD",
        "E",
    ]


def test_another_quote(tmp_path: Path) -> None:
    mapping = WITH_ITEMS.replace("title: name", 'title: name, quote: "\'"')
    text = "sku,name\n101,'Monsters, Inc.'\n102,'It''s'\n103,\"Ah\"\n"
    titles = catalogue(write(tmp_path, mapping, items=text))["title"].to_list()
    assert titles == ["Monsters, Inc.", "It's", '"Ah"']


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("named", [True, False])
def test_packed_text_is_the_same_table(tmp_path: Path, packer: str, named: bool) -> None:
    plain = catalogue(write(tmp_path, items=TITLES))
    name = f"items.csv.{packer}" if named else "items.csv"
    packed = PACKERS[packer](TITLES.encode())
    mapping = WITH_ITEMS.replace("items.csv", name)
    path = write(tmp_path, mapping, **{name.replace(".", "__"): packed})
    assert catalogue(path).equals(plain) and plain.height == 4


@pytest.mark.parametrize("packer", ["gz", "bz2", "xz", "zip"])
def test_packed_text_that_is_cut_short_is_damaged(tmp_path: Path, packer: str) -> None:
    packed = PACKERS[packer](items_csv().encode())
    with pytest.raises(SourceError, match="is damaged"):
        catalogue(write(tmp_path, items=packed[: len(packed) // 2]))


def test_two_files_in_a_zip_are_refused(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "y")
    with pytest.raises(SourceError, match="holds 2 files"):
        catalogue(write(tmp_path, items=packed.getvalue()))


def with_names(encoding: str) -> bytes:
    text = events_csv().replace("u000", "Renée").replace("u001", "Renëe")
    return text.encode(encoding)


@pytest.mark.parametrize(
    "encoding", ["latin-1", "cp1252", "cp850", "utf-16", "utf-16-le", "utf-8-sig", "utf-32"]
)
def test_a_named_encoding_keeps_users_apart(tmp_path: Path, encoding: str) -> None:
    mapping = MAPPING.replace("time: at", f"time: at, encoding: {encoding}")
    found, rejects = read(write(tmp_path, mapping, events=with_names(encoding)))
    assert rejects.is_empty() and found["user_id"].n_unique() == 30
    assert {"Renée", "Renëe"} < set(found["user_id"])


@pytest.mark.parametrize(
    ("written", "named"),
    [("utf-8-sig", "utf-8"), ("utf-8-sig", "UTF8"), ("utf-16", "utf-16-le"), ("utf-32", "utf_32")],
)
def test_a_mark_of_the_same_family_contradicts_nothing(
    tmp_path: Path, written: str, named: str
) -> None:
    mapping = MAPPING.replace("time: at", f"time: at, encoding: {named}")
    found, rejects = read(write(tmp_path, mapping, events=with_names(written)))
    assert rejects.is_empty() and {"Renée", "Renëe"} < set(found["user_id"])


@pytest.mark.parametrize(
    "encoding", ["latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32"]
)
def test_an_encoding_is_found_out_and_a_guess_is_said(
    tmp_path: Path, encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found, rejects = read(write(tmp_path, MAPPING, events=with_names(encoding)))
    assert rejects.is_empty() and {"Renée", "Renëe"} < set(found["user_id"])
    marked = encoding in {"utf-16", "utf-8-sig", "utf-32"}
    assert ("events.csv is not UTF-8: it is read as" in caplog.text) is not marked


@pytest.mark.parametrize(
    ("encoding", "letters"),
    [("cp1251", "Привет мир"), ("gb18030", "你好世界朋友们"), ("cp932", "こんにちは世界")],
)
def test_letters_of_another_alphabet_ask_for_their_encoding(
    tmp_path: Path, encoding: str, letters: str
) -> None:
    content = items_csv(lambda n: f"{n},{letters}").encode(encoding)
    with pytest.raises(SourceError, match="`encoding: cp1251`"):
        catalogue(write(tmp_path, items=content))
    mapping = WITH_ITEMS.replace("title: name", f"title: name, encoding: {encoding}")
    titles = catalogue(write(tmp_path, mapping, items=content))["title"]
    assert titles.unique().to_list() == [letters]


def test_a_few_broken_bytes_in_utf_8_cost_their_fields_alone(tmp_path: Path) -> None:
    text = items_csv(lambda n: f"{n},Amélie").encode()
    broken = text.replace("103,Amélie".encode(), b"103,Am\xe9lie").replace(b"104,", b"10\xe9,", 1)
    found = opened(write(tmp_path, items=broken)).items()
    assert found.frame.collect()["title"].to_list().count("Amélie") == 23
    rejects = found.rejects.collect()
    assert rejects.select("row", "reason").rows() == [(4, "bad_id")]
    assert "encoding" in rejects["detail"][0]
    assert found.repairs.collect().rows() == [("items.csv", "name", "bytes that are no UTF-8", 1)]


@pytest.mark.parametrize(
    ("encoding", "says"),
    [
        ("klingon", "no encoding that Python knows"),
        ("base64", "no encoding"),
        ("ascii", "is not in ascii"),
    ],
)
def test_an_encoding_that_is_none_or_wrong_is_said(
    tmp_path: Path, encoding: str, says: str
) -> None:
    mapping = MAPPING.replace("time: at", f"time: at, encoding: {encoding}")
    with pytest.raises(SourceError, match=says):
        read(write(tmp_path, mapping, events=with_names("latin-1")))


def test_a_mark_that_contradicts_the_mapping_is_said(tmp_path: Path) -> None:
    mapping = MAPPING.replace("time: at", "time: at, encoding: utf-8")
    with pytest.raises(SourceError, match="mark of utf-16"):
        read(write(tmp_path, mapping, events=with_names("utf-16")))


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_lines_end_in_any_way(tmp_path: Path, end: str, encoding: str) -> None:
    content = events_csv().replace("\n", end).encode(encoding)
    found, rejects = read(write(tmp_path, events=content))
    assert found.height == N_EVENTS and rejects.is_empty()


def test_blank_lines_are_no_rows_and_count_as_lines(tmp_path: Path) -> None:
    text = items_csv(lambda n: f"\n{n},Film" if n == 103 else f"{n},Film" if n != 110 else ",Film")
    found = opened(write(tmp_path, items=text + "\n\n")).items()
    assert found.rejects.collect().select("row", "reason").rows() == [(11, "bad_id")]
    assert found.frame.collect().height == 24


def test_control_characters_do_not_split_a_line(tmp_path: Path) -> None:
    text = items_csv(lambda n: f"{n},A\x01B\x02C")
    assert catalogue(write(tmp_path, items=text))["title"][0] == "A\x01B\x02C"


def test_a_column_called_row_is_read_like_any_other(tmp_path: Path) -> None:
    text = events_csv().replace("item,stars", "row,stars", 1)
    mapping = WITH_ITEMS.replace("item: item", "item: row")
    found, rejects = read(write(tmp_path, mapping, events=text))
    assert found.height == N_EVENTS and rejects.is_empty()


def test_blanks_around_a_columns_name_do_not_count(tmp_path: Path) -> None:
    text = events_csv().replace("user,item,stars,at", "user, item, stars , at", 1)
    assert read(write(tmp_path, events=text))[0].height == N_EVENTS


def test_a_file_without_a_header_is_told_without_showing_its_data(tmp_path: Path) -> None:
    text = events_csv().split("\n", 1)[1]
    with pytest.raises(SourceError, match="columns:") as caught:
        read(write(tmp_path, events=text))
    assert "u000" not in str(caught.value) and "101" not in str(caught.value)
    mapping = WITH_ITEMS.replace("time: at", "time: at, columns: [user, item, stars, at]")
    found, rejects = read(write(tmp_path, mapping, events=text))
    assert found.height == N_EVENTS and rejects.is_empty()


def test_a_wrong_column_names_those_that_there_are(tmp_path: Path) -> None:
    mapping = WITH_ITEMS.replace("title: name", "title: titel")
    with pytest.raises(SourceError, match=r"no column 'titel'; it has sku, name\."):
        catalogue(write(tmp_path, mapping))


def test_a_first_line_that_says_the_separator_is_heeded(tmp_path: Path) -> None:
    text = "sep=;\n" + events_csv().replace(",", ";")
    found, rejects = read(write(tmp_path, events=text))
    assert found.height == N_EVENTS and rejects.is_empty()


@pytest.mark.parametrize("content", ["", "\ufeff"])
def test_an_empty_file_is_said(tmp_path: Path, content: str) -> None:
    with pytest.raises(SourceError, match=r"empty|header"):
        read(write(tmp_path, events=content))

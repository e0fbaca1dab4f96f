"""A table in many files, in JSON Lines, and in archives."""

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest
from strange_tables import (
    MAPPING,
    N_EVENTS,
    WITH_ITEMS,
    catalogue,
    events,
    events_csv,
    items_csv,
    opened,
    read,
    write,
)

from sources.protocol import SourceError
from sources.tables.source import TablesSource


def parts(folder: Path, count: int, ending: str = "csv") -> None:
    """The events in files of one folder, dealt out in order."""
    folder.mkdir(parents=True, exist_ok=True)
    header, *lines = events_csv().splitlines()
    size = len(lines) // count
    for place in range(count):
        text = "\n".join([header, *lines[place * size : (place + 1) * size], ""])
        (folder / f"part-{place:03d}.{ending}").write_text(text)


@pytest.mark.parametrize(
    "path", ["parts", "parts/", "parts/*.csv", "pa*/part-00?.csv", "parts/**/*"]
)
def test_a_folder_or_a_glob_is_one_table(tmp_path: Path, path: str) -> None:
    parts(tmp_path / "parts", 4)
    (tmp_path / "parts" / "_SUCCESS").write_text("")
    (tmp_path / "parts" / ".part-000.csv.crc").write_text("x")
    source = opened(write(tmp_path, MAPPING.replace("events.csv", f"'{path}'")))
    assert source.interactions().frame.collect().height == N_EVENTS
    assert [file.path.name for file in source.files()] == [f"part-00{n}.csv" for n in range(4)]


def test_a_reject_names_its_file_and_row(tmp_path: Path) -> None:
    parts(tmp_path / "parts", 4)
    bad = tmp_path / "parts" / "part-002.csv"
    bad.write_text(bad.read_text() + "u,101,4,never\n")
    _, rejects = read(write(tmp_path, MAPPING.replace("events.csv", "parts")))
    assert rejects.select("source_file", "row", "reason").rows() == [
        ("parts/part-002.csv", 151, "bad_time")
    ]


def test_parts_may_be_of_several_kinds(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    parts(folder, 4)
    (folder / "part-001.csv.gz").write_bytes(gzip.compress((folder / "part-001.csv").read_bytes()))
    (folder / "part-001.csv").unlink()
    frame = pl.read_csv(folder / "part-002.csv", try_parse_dates=True)
    frame.with_columns(pl.col("item").cast(pl.Float64)).write_parquet(folder / "part-002.parquet")
    (folder / "part-002.csv").unlink()
    found, rejects = read(write(tmp_path, MAPPING.replace("events.csv", "parts")))
    assert found.height == N_EVENTS and rejects.is_empty()
    assert found["item_id"].n_unique() == 25


def test_folders_of_hive_are_columns(tmp_path: Path) -> None:
    header = "user,item,at"
    for stars in (1, 2, 3, 4, 5):
        folder = tmp_path / "log" / f"stars={stars}" / "month=a%2Fb"
        folder.mkdir(parents=True)
        lines = [f"{u},{i},{at.isoformat()}" for u, i, s, at in events() if s == stars]
        (folder / "0.csv").write_text("\n".join([header, *lines]))
    found, rejects = read(write(tmp_path, MAPPING.replace("events.csv", "log")))
    assert rejects.is_empty()
    assert found["value"].sum() == sum(stars for _, _, stars, _ in events())


def test_items_may_lie_in_many_files_too(tmp_path: Path) -> None:
    (tmp_path / "items").mkdir()
    for n in range(101, 126):
        (tmp_path / "items" / f"{n}.csv").write_text(f"sku,name\n{n},Film {n}\n")
    (tmp_path / "items" / "again.csv").write_text("sku,name\n101,Other\n")
    source = opened(write(tmp_path, MAPPING + "items: {path: items, id: sku, title: name}\n"))
    assert source.items().frame.collect()["title"].to_list() == [
        f"Film {n}" for n in range(101, 126)
    ]
    rejects = source.items().rejects.collect()
    assert rejects.select("source_file", "reason").rows() == [("items/again.csv", "duplicate")]


@pytest.mark.parametrize("folder", ["_export", ".parts", "_a/.b"])
def test_a_folder_that_the_mapping_names_is_never_hidden(tmp_path: Path, folder: str) -> None:
    parts(tmp_path / folder, 2)
    source = opened(write(tmp_path, MAPPING.replace("events.csv", folder)))
    assert source.interactions().frame.collect().height == N_EVENTS


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("nothing*.csv", "matched by no file"),
        ("empty", "a folder that holds no table"),
        ("../*.csv", "outside_root"),
        ("absent", "is not a file"),
    ],
)
def test_what_is_no_file_is_said(tmp_path: Path, path: str, says: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"mapping\.yaml, line 2: ") as caught:
        read(write(tmp_path, MAPPING.replace("events.csv", f"'{path}'")))
    assert says in str(caught.value)


def test_a_link_that_leads_out_is_no_part(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    parts(shop / "parts", 2)
    (tmp_path / "secret.csv").write_text("user,item,stars,at\nx,1,1,2021-03-01\n")
    (shop / "parts" / "z.csv").symlink_to(tmp_path / "secret.csv")
    found, _ = read(write(shop, MAPPING.replace("events.csv", "parts")))
    assert found.height == N_EVENTS


def json_lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def rows() -> list[dict[str, Any]]:
    return [
        {"user": {"id": u}, "item": i, "stars": s, "at": at.isoformat(), "tags": ["a", "b"]}
        for u, i, s, at in events()
    ]


REVIEWS = MAPPING.replace("events.csv", "reviews.jsonl").replace("user: user", "user: user.id")


@pytest.mark.parametrize("packed", [True, False])
def test_reviews_and_products_as_json_lines(tmp_path: Path, packed: bool) -> None:
    pack = gzip.compress if packed else bytes
    ending = ".gz" if packed else ""
    products = [
        {"sku": i, "name": f"Film {i}", "about": ["Good.", "Old."], "genres": [["A"], ["B"]]}
        for i in range(101, 126)
    ]
    (tmp_path / f"reviews.jsonl{ending}").write_bytes(pack(json_lines(rows())))
    (tmp_path / f"products.ndjson{ending}").write_bytes(pack(json_lines(products)))
    mapping = REVIEWS.replace(".jsonl", f".jsonl{ending}") + (
        f"items: {{path: products.ndjson{ending}, id: sku, title: name, text: about, "
        "categories: {column: genres}}\n"
    )
    source = opened(write(tmp_path, mapping))
    assert source.interactions().frame.collect().height == N_EVENTS
    item = source.items().frame.collect().row(0, named=True)
    assert (item["title"], item["text"], item["categories"]) == (
        "Film 101",
        "Good. Old.",
        ["A", "B"],
    )


def test_a_line_that_is_no_object_costs_itself_alone(tmp_path: Path) -> None:
    lines = json_lines(rows()).splitlines(keepends=True)
    lines[9:9] = [b'{"user": {"id"\n', b"\n", b"[1]\n"]
    (tmp_path / "reviews.jsonl").write_bytes(b"".join(lines))
    found, rejects = read(write(tmp_path, REVIEWS))
    assert found.height == N_EVENTS
    assert rejects.select("row", "reason").rows() == [(10, "bad_line"), (11, "bad_line")]


@pytest.mark.parametrize("odd", ['"NaN"', "NaN", "-Infinity", '"\\ud83d"'])
def test_a_line_that_only_some_call_json_costs_itself_alone(tmp_path: Path, odd: str) -> None:
    lines = json_lines(rows()).splitlines(keepends=True)
    lines.insert(4, f'{{"user": {{"id": "u"}}, "note": {odd}}}\n'.encode())
    (tmp_path / "reviews.jsonl").write_bytes(b"".join(lines))
    found, rejects = read(write(tmp_path, REVIEWS))
    assert found.height == N_EVENTS and rejects["row"].to_list() == [5]


def test_ids_of_64_bits_and_fields_that_are_absent(tmp_path: Path) -> None:
    large = 2**63 - 1
    several = [
        {"user": {"id": "a"}, "item": large, "at": "2021-03-01"},
        {"user": {"id": "b"}, "item": large - 1, "at": "2021-03-01", "stars": 4},
    ]
    (tmp_path / "reviews.jsonl").write_bytes(json_lines(several))
    found, rejects = read(write(tmp_path, REVIEWS))
    assert found["item_id"].to_list() == [str(large - 1)]
    assert rejects["reason"].to_list() == ["value_out_of_range"]


def test_a_list_of_objects_is_no_json_lines(tmp_path: Path) -> None:
    (tmp_path / "reviews.jsonl").write_text(json.dumps(rows()))
    with pytest.raises(SourceError, match="every line is an object"):
        TablesSource(path=write(tmp_path, REVIEWS)).interactions()


def zipped(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


@pytest.mark.parametrize(
    "litter", ["__MACOSX/._events.csv", ".DS_Store", "data/Thumbs.db", "desktop.ini"]
)
def test_what_a_system_puts_into_a_zip_is_no_second_file(tmp_path: Path, litter: str) -> None:
    packed = zipped({"data/events.csv": events_csv(), litter: "\x00\x05\x16\x07"})
    found, rejects = read(write(tmp_path, events=packed))
    assert found.height == N_EVENTS and rejects.is_empty()


def test_a_zip_of_two_tables_is_named(tmp_path: Path) -> None:
    packed = zipped({"events.csv": events_csv(), "more.csv": events_csv()})
    with pytest.raises(SourceError, match="holds 2 files; unpack it and name one"):
        TablesSource(path=write(tmp_path, events=packed)).interactions()


@pytest.mark.parametrize("packing", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_archive_is_named_and_not_read_as_text(
    tmp_path: Path, packing: Literal["w", "w:gz", "w:bz2", "w:xz"]
) -> None:
    packed, content = io.BytesIO(), events_csv().encode()
    with tarfile.open(fileobj=packed, mode=packing) as archive:
        member = tarfile.TarInfo("events.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    with pytest.raises(SourceError, match="tar archive; unpack it and name one of its files"):
        TablesSource(path=write(tmp_path, events=packed.getvalue())).interactions()


def events_and(*lines: str) -> str:
    usual = [
        json.dumps({"user": user, "item": str(item), "stars": stars, "at": at.isoformat()})
        for user, item, stars, at in events()
    ]
    return "\n".join([*usual, *lines, ""])


@pytest.mark.parametrize(
    "line",
    [
        '{"user": "a", "user": "b", "item": "101", "stars": 4, "at": "2021-03-01"}',
        '{"user": "a", "item": "101", "stars": 4, "at": "2021-03-01", "stars":5}',
        '{"user": "a", "item": "101", "stars": 4, "at": "2021-03-01", "\\u0075ser": "b"}',
        '{"user": "a", "item": "101", "stars": 4, "at": "2021", "more": {"id": 1, "id": 2}}',
    ],
)
def test_a_line_with_a_key_twice_is_rejected_alone(tmp_path: Path, line: str) -> None:
    mapping = MAPPING.replace("events.csv", "events.jsonl")
    found, rejects = read(write(tmp_path, mapping, events__jsonl=events_and(line)))
    assert found.height == N_EVENTS
    assert rejects.select("row", "reason").rows() == [(N_EVENTS + 1, "bad_line")]
    assert "each key stands once" in rejects["detail"][0]


def test_a_key_that_a_record_has_too_is_no_repeat(tmp_path: Path) -> None:
    mapping = MAPPING.replace("events.csv", "events.jsonl")
    line = '{"user": {"item": "x"}, "item": "101", "stars": 4, "at": "2021-03-01"}'
    found, rejects = read(write(tmp_path, mapping, events__jsonl=events_and(line)))
    assert found.height == N_EVENTS
    assert rejects["detail"].to_list() == ["the user id is a list or record; one value is needed"]


@pytest.mark.parametrize("user", ['["a", "b"]', "[1, 2]", '{"id": 5}', "[]", "[[true]]"])
def test_a_list_or_a_record_is_no_id(tmp_path: Path, user: str) -> None:
    mapping = MAPPING.replace("events.csv", "events.jsonl")
    line = f'{{"user": {user}, "item": "101", "stars": 4, "at": "2021-03-01"}}'
    found, rejects = read(write(tmp_path, mapping, events__jsonl=events_and(line)))
    assert found.height == N_EVENTS
    assert rejects["detail"].to_list() == ["the user id is a list or record; one value is needed"]


def test_brackets_in_an_id_of_a_csv_are_letters(tmp_path: Path) -> None:
    text = events_csv(lambda e: f"{e[0]},[{e[1]}],{e[2]},{e[3].isoformat()}")
    found, rejects = read(write(tmp_path, MAPPING, events=text))
    assert rejects.is_empty() and set(found["item_id"]) == {f"[{n}]" for n in range(101, 126)}


def test_a_return_within_a_line_above_the_header_is_no_line(tmp_path: Path) -> None:
    text = "Title\r\r\n" + events_csv().replace("\n", "\r\n")
    mapping = MAPPING.replace("user: user", "skip_lines: 1, user: user")
    found, rejects = read(write(tmp_path, mapping, events=text))
    assert found.height == N_EVENTS and rejects.is_empty()


@pytest.mark.parametrize("above", ["# made by a shop\n", "Report\n\n", "a;b\nsep=,\n"])
def test_lines_above_the_header_are_skipped(tmp_path: Path, above: str) -> None:
    text = above + events_csv()
    with pytest.raises(SourceError, match=r"skip_lines:"):
        read(write(tmp_path, MAPPING, events=text))
    skipped = 1 if "sep=" in above else above.count("\n")
    mapping = MAPPING.replace("user: user", f"skip_lines: {skipped}, user: user")
    found, rejects = read(write(tmp_path, mapping, events=text))
    assert found.height == N_EVENTS and rejects.is_empty()


def test_lines_that_end_in_a_separator_are_rejected_with_the_way_out(tmp_path: Path) -> None:
    text = events_csv(lambda e: f"{e[0]},{e[1]},{e[2]},{e[3].isoformat()},")
    _, rejects = read(write(tmp_path, MAPPING, events=text))
    assert rejects.height == N_EVENTS
    assert "end the header so too" in rejects["detail"][0]
    header, rest = text.split("\n", 1)
    found, rejects = read(write(tmp_path, MAPPING, events=f"{header},\n{rest}"))
    assert found.height == N_EVENTS and rejects.is_empty()


def test_half_a_character_is_a_bad_line_whether_or_not_polars_reads_it(tmp_path: Path) -> None:
    mapping = MAPPING.replace("events.csv", "events.jsonl")
    usual = '"item": "101", "stars": 4, "at": "2021-03-01"}'
    lines = [f'{{"user": "x\\ud83dy", {usual}', f'{{"user": "\\uD83D\\uDE00", {usual}']
    found, rejects = read(write(tmp_path, mapping, events__jsonl=events_and(*lines)))
    assert found.height == N_EVENTS + 1, "two halves are one character"
    assert rejects.select("row", "reason").rows() == [(N_EVENTS + 1, "bad_line")]


def test_a_header_within_a_file_is_no_item(tmp_path: Path) -> None:
    items = items_csv() + "sku,name\n126,Film 126\n"
    path = write(tmp_path, WITH_ITEMS, items=items)
    assert catalogue(path)["item_id"].to_list() == [str(n) for n in range(101, 127)]
    _, rejects = read(path)
    assert rejects["detail"].to_list() == ["this line is the header again; take it out"]


def test_a_column_of_other_capitals_is_named(tmp_path: Path) -> None:
    text = events_csv().replace("user,item", "User,Item", 1)
    with pytest.raises(SourceError, match="no column 'user' but 'User'; write it so"):
        read(write(tmp_path, MAPPING, events=text))


def test_feather_files_of_a_folder_are_read_with_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    parts(folder, 4)
    pl.read_csv(folder / "part-002.csv", try_parse_dates=True).write_ipc(folder / "two.feather")
    (folder / "part-002.csv").unlink()
    found, rejects = read(write(tmp_path, MAPPING.replace("events.csv", "parts")))
    assert found.height == N_EVENTS and rejects.is_empty()

"""The user's own tables: the mapping, times, rejects, and paths that lead away."""

import logging
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.protocol import INTERACTIONS, ITEMS, Source, SourceError
from sources.tables.places import place
from sources.tables.source import TablesSource
from sources.tables.times import parse_time

LATEST = datetime(2027, 1, 1, tzinfo=UTC)
_SHOUT = (
    "event type shout has no weight; mapped: like, view; `other_types: ignore` leaves "
    "out all others"
)

MAPPING = """\
root: .
interactions:
  path: events.csv
  user: u
  item: i
  time: ts
  time_format: unix_s
  type: kind
  types: {like: 1.0, view: 0.2}
  text: comment
items:
  path: items.csv
  id: i
  title: name
  text: about
  categories: {column: genres, separator: "|"}
  attributes: [price, year]
  released_at: released
media:
  image: poster
  audio: clip
"""

EVENTS = """\
u,i,ts,kind,comment
ann,a,1700000000,like,lovely
ann,b,1700000001,view,
bob,a,1700000002.5,like,
"""

ITEM_ROWS = """\
i,name,about,genres,price,year,released,poster,clip
a,Alpha,First,Red|Blue,9.5,1999,1999-03-01,pictures/a.jpg,
b,,,,,,,,
"""


def write(folder: Path, mapping: str = MAPPING, **files: str) -> Path:
    for name, text in {"events": EVENTS, "items": ITEM_ROWS, **files}.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    path = folder / "mapping.yaml"
    path.write_text(mapping, encoding="utf-8")
    (folder / "pictures").mkdir(exist_ok=True)
    (folder / "pictures" / "a.jpg").write_bytes(b"x")
    return path


def open_tables(path: Path) -> TablesSource:
    return TablesSource(path=path, latest=LATEST)


def test_a_mapped_set_has_the_contracts_columns(tmp_path: Path) -> None:
    source = open_tables(write(tmp_path))
    events = source.interactions().frame.collect()
    items = source.items().frame.collect()
    assert isinstance(source, Source)
    assert events.schema == INTERACTIONS
    assert items.schema == ITEMS
    assert events["value"].to_list() == pytest.approx([1.0, 0.2, 1.0])
    assert events["text"].to_list() == ["lovely", None, None]
    assert events["event_timestamp"][2] == datetime(2023, 11, 14, 22, 13, 22, 500_000, UTC)
    assert items.row(0) == (
        "a",
        "Alpha",
        "First",
        ["Red", "Blue"],
        [{"name": "price", "value": 9.5}, {"name": "year", "value": 1999.0}],
        datetime(1999, 3, 1, tzinfo=UTC),
        datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
    )
    assert items.row(1)[1:5] == ("", "", [], [])
    assert source.media().collect().rows() == [("a", "image", "pictures/a.jpg")]
    assert source.interactions().rejects.collect().is_empty()
    assert source.items().rejects.collect().is_empty()


def test_unusable_events_are_rejected(tmp_path: Path) -> None:
    events = EVENTS + (
        ",a,1700000000,like,\n"
        "cy,,1700000000,like,\n"
        "cy,a,soon,like,\n"
        "cy,a,4102444800,like,\n"
        "cy,a,1700000000,shout,\n"
        "ann,a,1700000000,like,lovely\n"
        "cy,z,1700000000,like,\n"
    )
    source = open_tables(write(tmp_path, events=events))
    rejects = source.interactions().rejects.collect()
    assert rejects.select("row", "reason").rows() == [
        (4, "bad_id"),
        (5, "bad_id"),
        (6, "bad_time"),
        (7, "bad_time"),
        (8, "value_out_of_range"),
        (10, "unknown_item"),
    ]
    assert rejects["detail"][4] == _SHOUT
    assert source.interactions().frame.collect().height == 4


def test_unusable_items_are_rejected_and_unusable_fields_left_out(tmp_path: Path) -> None:
    items = ITEM_ROWS + "a,Again,,,,,,,\n,None,,,,,,,\nc,C,,,cheap,,,,\nd,D,,,,,last year,,\n"
    found = open_tables(write(tmp_path, items=items)).items()
    assert found.rejects.collect().select("row", "reason").rows() == [
        (3, "duplicate"),
        (4, "bad_id"),
    ]
    assert found.frame.collect()["item_id"].to_list() == ["a", "b", "c", "d"]
    assert found.repairs.collect().rows() == [
        ("items.csv", "price", "no number", 1),
        ("items.csv", "released", "no time", 1),
    ]


def test_values_and_their_range(tmp_path: Path) -> None:
    mapping = """\
interactions: {path: events.csv, user: u, item: i, time: ts, value: stars, value_range: [1, 5]}
"""
    events = "u,i,ts,stars\nann,a,2024-01-01,5\nann,b,2024-01-01T10:00:00Z,6\nann,c,2024-01-02,\n"
    source = open_tables(write(tmp_path, mapping, events=events))
    extract = source.interactions()
    assert extract.frame.collect()["value"].to_list() == [5.0]
    assert extract.rejects.collect()["reason"].to_list() == ["value_out_of_range"] * 2
    items = source.items().frame.collect()
    assert items.schema == ITEMS
    assert items.select("item_id", "title").rows() == [("a", "")]
    assert source.media().collect().is_empty()


def test_a_types_weight_is_not_bound_by_the_range_of_stars(tmp_path: Path) -> None:
    mapping = """\
interactions:
  path: events.csv
  user: u
  item: i
  time: ts
  type: kind
  types: {like: 1.0, view: 0.2}
  value: stars
  value_range: [0.5, 5]
"""
    events = (
        "u,i,ts,kind,stars\nann,a,2024-01-01,view,\nann,b,2024-01-02,like,4\n"
        "ann,c,2024-01-03,like,0.2\nann,d,2024-01-04,shout,\n"
    )
    extract = open_tables(write(tmp_path, mapping, events=events)).interactions()
    assert extract.frame.collect()["value"].to_list() == pytest.approx([0.2, 4.0])
    assert extract.rejects.collect()["detail"].to_list() == [
        "0.2; value_range takes 0.5 to 5",
        _SHOUT,
    ]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    pl.DataFrame(
        {"u": [1, 2], "i": [10, 11], "ts": [datetime(2024, 1, 1), None], "stars": [4, 5]}
    ).write_parquet(tmp_path / "events.parquet")
    pl.DataFrame(
        {"i": [10, 11], "tags": [["x", "y"], None], "released": [date(2020, 2, 3), None]}
    ).write_parquet(tmp_path / "items.parquet")
    mapping = """\
interactions: {path: events.parquet, user: u, item: i, time: ts, value: stars}
items: {path: items.parquet, id: i, categories: {column: tags}, released_at: released}
"""
    source = open_tables(write(tmp_path, mapping))
    assert source.interactions().frame.collect()["user_id"].to_list() == ["1"]
    items = source.items().frame.collect()
    assert items["categories"].to_list() == [["x", "y"], []]
    assert items["released_at"].to_list() == [datetime(2020, 2, 3, tzinfo=UTC), None]


def test_media_paths_that_lead_away_are_rejected_and_never_opened(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    outside = tmp_path / "secret.jpg"
    outside.write_bytes(b"x")
    (root / "link.jpg").symlink_to(outside)
    (root / "loop.jpg").symlink_to(root / "loop.jpg")
    paths = {
        "../secret.jpg": "outside_root",
        str(outside): "outside_root",
        f"file://{outside}": "outside_root",
        "file:../secret.jpg": "outside_root",
        "pictures/../../secret.jpg": "outside_root",
        "link.jpg": "outside_root",
        "https://example.org/a.jpg": "remote_uri",
        "s3://bucket/a.jpg": "remote_uri",
        "file://server/share/a.jpg": "remote_uri",
        "//server/share/a.jpg": "remote_uri",
        "loop.jpg": "bad_path",
        "x" * 300: "bad_path",
    }
    header = "i,name,about,genres,price,year,released,poster,clip\n"
    rows = "".join(f"item{n},,,,,,,{path},\n" for n, path in enumerate(paths))
    source = open_tables(write(root, items=header + rows))
    rejects = source.items().rejects.collect()
    assert rejects["reason"].to_list() == list(paths.values())
    assert source.media().collect().is_empty()
    assert source.items().frame.collect().height == len(paths)


def test_paths_and_file_uris_below_the_root_are_taken(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    (root / "a b.jpg").write_bytes(b"x")
    for path in ("a b.jpg", "./a b.jpg", str(root / "a b.jpg"), f"file://{root}/a%20b.jpg"):
        assert place(path, root).uri == "a b.jpg"
    (root / "Part 1:the sea.jpg").write_bytes(b"x")
    assert place("Part 1:the sea.jpg", root).uri == "Part 1:the sea.jpg"
    (root / "Batman:Begins.jpg").write_bytes(b"x")
    assert place("Batman:Begins.jpg", root).uri == "Batman:Begins.jpg"
    assert place("absent.jpg", root) == place("also/absent.jpg", root)
    assert place("absent.jpg", root).reason is None


@given(st.text(max_size=40))
def test_no_path_leads_out_whatever_it_is(text: str) -> None:
    root = Path(__file__).resolve().parent
    found = place(text, root)
    assert found.uri is None or (root / found.uri).resolve().is_relative_to(root)


def test_absent_media_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    items = ITEM_ROWS.replace("pictures/a.jpg", "pictures/none.jpg")
    source = open_tables(write(tmp_path, items=items))
    with caplog.at_level(logging.WARNING):
        assert source.media().collect().is_empty()
    assert "1 paths of poster in items.csv name no file below" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("  user: u\n", "  user: u\n  usr: v\n", 5, "usr"),
        ("  user: u\n", "", 2, "user"),
        ("unix_s", "whenever", 7, "time_format"),
        ("unix_s", "'%d.%m.%Y %Q'", 7, "%Q is no directive"),
        ("unix_s", "'%m/%d/%Y %I:%M'", 7, "meridiem"),
        ("unix_s", "'%H:%M'", 7, "does not say the whole time"),
        ("unix_s", "'%Y-%m-%d %H:%M %Z'", 7, "%Z"),
        ("like: 1.0", "like: lots", 9, "like"),
        ("  user: u\n", "  user: who\n", 4, "no column 'who'"),
        ("[price, year]", "[price, weight]", 17, "no column 'weight'"),
        ("image: poster", "image: picture", 20, "no column 'picture'"),
        ("path: events.csv", "path: ../events.csv", 3, "outside_root"),
        ("path: events.csv", "path: nothing.csv", 3, "not a file"),
        ("user: u", "user: [u", 5, "not YAML"),
    ],
)
def test_errors_name_file_and_line(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    path = write(tmp_path, MAPPING.replace(old, new, 1))
    with pytest.raises(SourceError) as caught:
        open_tables(path).items().frame.collect()
        open_tables(path).media().collect()
    assert f"mapping.yaml, line {line}" in str(caught.value)
    assert says in str(caught.value)


def test_a_mapping_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        open_tables(tmp_path / "absent.yaml")
    path = write(tmp_path, "- just\n- a list\n")
    with pytest.raises(SourceError, match="line 1"):
        open_tables(path)
    path = write(tmp_path, "interactions: {path: p, user: u, item: i, time: t}\nmedia: {image: x}")
    with pytest.raises(SourceError, match="items must be given"):
        open_tables(path)


def test_a_file_that_is_no_table_is_an_error(tmp_path: Path) -> None:
    mapping = "interactions: {path: events.parquet, user: u, item: i, time: ts}\n"
    path = write(tmp_path, mapping)
    (tmp_path / "events.parquet").write_bytes(b"not parquet")
    with pytest.raises(SourceError, match="cannot be read"):
        open_tables(path).interactions()


@pytest.mark.parametrize(
    ("given_time", "time_format", "expected"),
    [
        ("1700000000", "unix_s", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("1700000000123", "unix_ms", datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC)),
        ("2024-03-01", "iso", datetime(2024, 3, 1, tzinfo=UTC)),
        ("2024-03-01 10:30", "iso", datetime(2024, 3, 1, 10, 30, tzinfo=UTC)),
        ("2024-03-01T10:30:05.25Z", "iso", datetime(2024, 3, 1, 10, 30, 5, 250_000, UTC)),
        ("2024-03-01T10:30:05+02:00", "iso", datetime(2024, 3, 1, 8, 30, 5, tzinfo=UTC)),
        ("2024-03-01T10:30+0200", "iso", datetime(2024, 3, 1, 8, 30, tzinfo=UTC)),
        ("1999", "year", datetime(1999, 1, 1, tzinfo=UTC)),
        ("01.03.2024", "%d.%m.%Y", datetime(2024, 3, 1, tzinfo=UTC)),
        ("01.03.2024 10:05", "%d.%m.%Y %H:%M", datetime(2024, 3, 1, 10, 5, tzinfo=UTC)),
        ("01.03.2024 10:05 +0100", "%d.%m.%Y %H:%M %z", datetime(2024, 3, 1, 9, 5, tzinfo=UTC)),
        ("2024-13-01", "iso", None),
        ("inf", "unix_s", None),
        ("1e30", "unix_s", None),
        ("", "iso", None),
    ],
)
def test_times(given_time: str, time_format: str, expected: datetime | None) -> None:
    frame = pl.DataFrame({"t": [given_time]})
    assert frame.select(parse_time("t", pl.String(), time_format)).item() == expected


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))
)
def test_iso_times_come_back(instant: datetime) -> None:
    frame = pl.DataFrame({"t": [instant.isoformat(), instant.isoformat(sep=" ")]})
    parsed = frame.select(parse_time("t", pl.String(), "iso")).to_series().to_list()
    assert parsed == [instant, instant]


def test_recordings_as_a_source(shared_data: Path, tmp_path: Path) -> None:
    sounds = sorted((shared_data / "spoken-digits").glob("*.wav"))
    items = pl.DataFrame({"id": [p.stem for p in sounds], "clip": [str(p) for p in sounds]})
    items.write_csv(tmp_path / "items.csv")
    items.select(user=pl.lit("ann"), id="id", t=pl.lit("2024-01-01")).write_csv(
        tmp_path / "likes.csv"
    )
    path = tmp_path / "mapping.yaml"
    mapping = f"""\
root: {Path("/")}
interactions: {{path: {tmp_path}/likes.csv, user: user, item: id, time: t}}
items: {{path: {tmp_path}/items.csv, id: id}}
media: {{audio: clip}}
"""
    path.write_text(mapping, encoding="utf-8")
    source = TablesSource(path=path)
    assert source.media().collect().height == len(sounds) == 240
    assert source.interactions().frame.collect()["event_type"].unique().to_list() == ["like"]


def test_columns_named_like_ours_are_read_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("u,i,t,v\na,x,1500000000,4\na,y,1500000001,4\n")
    (tmp_path / "items.csv").write_text(
        "id,released_at,created_at,part\n"
        "x,garbage,2015-01-01,Drama\ny,2014-01-01,2015-01-01,Comedy\n"
    )
    (tmp_path / "mapping.yaml").write_text(
        "root: .\ninteractions:\n  path: events.csv\n  user: u\n  item: i\n  time: t\n"
        "  time_format: unix_s\n  value: v\nitems:\n  path: items.csv\n  id: id\n"
        "  released_at: released_at\n  created_at: created_at\n  time_format: iso\n"
        "  categories: {column: part, separator: '|'}\n"
    )
    source = TablesSource(path=tmp_path / "mapping.yaml", latest=LATEST)
    read = source.items()
    assert read.frame.select("item_id", "categories", "released_at").collect().rows() == [
        ("x", ["Drama"], None),
        ("y", ["Comedy"], datetime(2014, 1, 1, tzinfo=UTC)),
    ]
    assert read.repairs.collect().rows() == [("items.csv", "released_at", "no time", 1)]

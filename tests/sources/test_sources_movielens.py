"""MovieLens in its layouts, with small sets that the tests write."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from sources.movielens.source import MovieLensSource
from sources.protocol import INTERACTIONS, ITEMS, Source, SourceError

LATEST = datetime(2027, 1, 1, tzinfo=UTC)


def open_set(path: Path, home: Path) -> MovieLensSource:
    source = MovieLensSource(path=path, set_name=None, home_sources=home, latest=LATEST)
    source.fetch()
    return source


def write_csv_set(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "movies.csv").write_text(
        "movieId,title,genres\n"
        "1,Toy Story (1995),Adventure|Animation\n"
        '2,"American President, The (1995)",Comedy\n'
        "3,Untold,(no genres listed)\n",
        encoding="utf-8",
    )
    (folder / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,2,0.5,964982703\n2,1,5.0,964981247\n",
        encoding="utf-8",
    )
    (folder / "tags.csv").write_text(
        "userId,movieId,tag,timestamp\n1,1,pixar,964982703\n1,1,fun,964982703\n", encoding="utf-8"
    )
    return folder


def test_csv_layout(tmp_path: Path) -> None:
    source = open_set(write_csv_set(tmp_path / "ml"), tmp_path / "home")
    events = source.interactions().frame.collect()
    items = source.items().frame.collect()
    assert isinstance(source, Source)
    assert events.schema == INTERACTIONS
    assert items.schema == ITEMS
    assert events["event_timestamp"].is_sorted()
    assert events.filter(pl.col("event_type") == "rating")["value"].to_list() == [5.0, 4.0, 0.5]
    tags = events.filter(pl.col("event_type") == "tag")
    assert tags["text"].to_list() == ["fun", "pixar"]
    assert tags["value"].to_list() == [0.0, 0.0]
    assert items["title"].to_list() == ["Toy Story", "American President, The", "Untold"]
    assert items["categories"].to_list() == [["Adventure", "Animation"], ["Comedy"], []]
    assert items["attributes"].to_list()[0] == [{"name": "year", "value": 1995.0}]
    assert items["attributes"].to_list()[2] == []
    assert items["released_at"].to_list()[2] is None
    assert items["text"].to_list() == ["", "", ""]
    assert items["created_at"].unique().to_list() == [events["event_timestamp"][0]]


def test_dat_layout_with_halves_and_tags(tmp_path: Path) -> None:
    (tmp_path / "movies.dat").write_text(
        "1::Mission: Impossible::Two (1996)::Action|Crime\n2::Léon (1994)::Drama\n",
        encoding="utf-8",
    )
    (tmp_path / "ratings.dat").write_text("5::1::3.5::838985046\n5::2::5::838983525\n")
    (tmp_path / "tags.dat").write_text("5::1::a::b::838985046\n")
    source = open_set(tmp_path, tmp_path / "home")
    events = source.interactions().frame.collect()
    assert events.height == 3
    assert events["text"].drop_nulls().to_list() == ["a::b"]
    titles = source.items().frame.collect()["title"].to_list()
    assert titles == ["Mission: Impossible::Two", "Léon"]


def test_dat_layout_of_1m_is_latin1_with_whole_stars(tmp_path: Path) -> None:
    (tmp_path / "movies.dat").write_bytes("1::Misérables, Les (1995)::Drama\n".encode("latin-1"))
    (tmp_path / "ratings.dat").write_text("5::1::3::838985046\n6::1::0.5::838983525\n")
    source = open_set(tmp_path, tmp_path / "home")
    extract = source.interactions()
    assert extract.frame.collect()["value"].to_list() == [3.0]
    assert extract.rejects.collect()["reason"].to_list() == ["value_out_of_range"]
    assert source.items().frame.collect()["title"].to_list() == ["Misérables, Les"]


def test_100k_layout(tmp_path: Path) -> None:
    flags = ["0"] * 19
    flags[3] = flags[5] = "1"
    film = "|".join(["1", "Cité (1995)", "01-Jan-1995", "", "http://x", *flags])
    (tmp_path / "u.item").write_bytes(f"{film}\n".encode("latin-1"))
    (tmp_path / "u.data").write_text("196\t1\t3\t881250949\n186\t1\t6\t891717742\n")
    source = open_set(tmp_path, tmp_path / "home")
    item = source.items().frame.collect().row(0, named=True)
    assert (item["title"], item["categories"]) == ("Cité", ["Animation", "Comedy"])
    extract = source.interactions()
    assert extract.frame.collect()["user_id"].to_list() == ["196"]
    assert extract.rejects.collect()["reason"].to_list() == ["value_out_of_range"]


def test_unusable_rows_are_rejected_with_file_row_and_reason(tmp_path: Path) -> None:
    folder = write_csv_set(tmp_path / "ml")
    (folder / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n"
        "1,1,4.0,964982703\n"
        "ann@example.org,1,4.0,964982703\n"
        "1,,4.0,964982703\n"
        "1,2,4.0,yesterday\n"
        "1,2,4.0,4102444800\n"
        "1,2,9.5,964982703\n"
        "1,2,nan,964982703\n"
        "1,2,,964982703\n"
        "1,1,4.0,964982703\n"
        "1,77,4.0,964982703\n"
        "1\n",
        encoding="utf-8",
    )
    extract = open_set(folder, tmp_path / "home").interactions()
    rejects = extract.rejects.collect()
    assert extract.frame.filter(pl.col("event_type") == "rating").collect().height == 1
    assert rejects.select("row", "reason").rows() == [
        (2, "bad_id"),
        (3, "bad_id"),
        (4, "bad_time"),
        (5, "bad_time"),
        (6, "value_out_of_range"),
        (7, "value_out_of_range"),
        (8, "value_out_of_range"),
        (9, "duplicate"),
        (10, "unknown_item"),
        (11, "bad_id"),
    ]
    assert set(rejects["source_file"]) == {"ratings.csv"}
    assert "ann@example.org" not in rejects.write_csv()


def test_companions_are_found_beside_the_ratings(tmp_path: Path) -> None:
    folder = write_csv_set(tmp_path / "ml")
    for name in ("posters/1.jpg", "posters/2.PNG", "audio/1.ogg", "video/3.mp4", "posters/99.jpg"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    (folder / "posters" / "notes.txt").write_text("no picture")
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"x")
    (folder / "posters" / "3.jpg").symlink_to(secret)
    (folder / "synopses.csv").write_text(
        'movieId,text\n1,"Toys, alive."\n88,Nobody.\n1,Again.\n', encoding="utf-8"
    )
    source = open_set(folder, tmp_path / "home")
    assert source.media().collect().rows() == [
        ("1", "audio", "audio/1.ogg"),
        ("1", "image", "posters/1.jpg"),
        ("2", "image", "posters/2.PNG"),
        ("3", "video", "video/3.mp4"),
    ]
    items = source.items()
    assert items.frame.collect()["text"].to_list() == ["Toys, alive.", "", ""]
    reasons = items.rejects.select("row", "reason").collect().rows()
    assert reasons == [(2, "unknown_item"), (3, "duplicate")]
    assert [file.path.name for file in source.files()] == [
        "ratings.csv",
        "tags.csv",
        "movies.csv",
        "synopses.csv",
    ]


def test_a_folder_without_ratings_or_a_header_without_columns_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="MovieLens"):
        open_set(tmp_path, tmp_path / "home").interactions()
    folder = write_csv_set(tmp_path / "ml")
    (folder / "ratings.csv").write_text("user,film\n1,1\n")
    with pytest.raises(SourceError, match="userId"):
        open_set(folder, tmp_path / "home").interactions()
    with pytest.raises(SourceError, match="does not exist"):
        open_set(tmp_path / "nowhere", tmp_path / "home")


def test_the_real_set_loads_whole(shared_data: Path, tmp_path: Path) -> None:
    source = open_set(shared_data / "ml-latest-small", tmp_path)
    extract = source.interactions()
    events = extract.frame.collect()
    items = source.items().frame.collect()
    assert events.filter(pl.col("event_type") == "rating").height == 100_004
    assert events.filter(pl.col("event_type") == "tag").height == 1_296
    assert extract.rejects.collect().is_empty()
    assert items.height == 9_125
    assert (items["text"] != "").sum() == 8_295
    assert source.media().collect()["modality"].to_list() == ["image"] * 4_758

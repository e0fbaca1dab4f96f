"""`crossmodal check`: what a mapping and its files are understood to say."""

import logging
from pathlib import Path

import pytest
from strange_tables import MAPPING, N_EVENTS, WITH_ITEMS, events_csv, items_csv, opened, read, write
from typer.testing import CliRunner

from orchestration.cli import app
from sources.protocol import SourceError
from sources.tables.check import check_mapping


def said(path: Path, sample: int = 5_000) -> str:
    return "\n".join(check_mapping(path, sample=sample).lines)


def test_it_says_what_is_understood(tmp_path: Path) -> None:
    mapping = WITH_ITEMS.replace("title: name", "title: name, categories: {column: genre}") + (
        "media: {image: poster}\n"
    )
    rows = [f"{n},Film {n},A|B,{n}.jpg" for n in range(101, 126)]
    items = "\n".join(["sku,name,genre,poster", *rows])
    path = write(tmp_path, mapping, items=items, **{"101__jpg": b"x"})
    told = said(path)
    for expected in (
        "Events: events.csv, 600 rows.",
        "usable: 600 events of 30 users on 25 items",
        "time: 2021-03-01 00:00:00 to 2021-08-29",
        "value: 1 to 5",
        "types: rating (600)",
        "usable: 25 items, 25 with a title, 0 with a text",
        "categories: 2: ",
        "image: 1 of 25 paths name a file; 102.jpg names none below ",
    ):
        assert expected in told
    assert "u000" not in told and "rejected" not in told


def test_it_says_what_would_be_rejected_without_a_users_id(tmp_path: Path) -> None:
    text = events_csv() + "secret@example.org,101,4,tomorrow\nsecret@example.org,999,4,2021-03-01\n"
    told = said(write(tmp_path, events=text))
    assert "1 as bad_time, such as row 601 of events.csv: tomorrow" in told
    assert "1 as unknown_item, such as row 602 of events.csv: 999" in told
    assert "secret" not in told


def test_it_looks_at_the_first_and_the_last_rows(tmp_path: Path) -> None:
    text = events_csv() + "u,101,4,never\n"
    path = write(tmp_path, events=text, items=items_csv(lambda n: f"{n},None"))
    told = said(path, sample=10)
    assert "601 rows; looked at the first and last 10 of each file" in told
    assert "usable: 19 events" in told and "row 601 of events.csv: never" in told
    assert "unknown_item" not in told
    assert "name: a word for nothing, in 20 rows" in told


def test_the_command_ends_as_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_HOME", str(tmp_path / "home"))
    path = write(tmp_path, MAPPING)
    found = CliRunner().invoke(app, ["check", str(path)])
    assert found.exit_code == 0 and "600 rows" in found.output
    nothing = CliRunner().invoke(
        app, ["check", str(write(tmp_path, MAPPING, events="user,item,stars,at\n"))]
    )
    assert nothing.exit_code == 1 and "No event can be used" in nothing.output
    wrong = CliRunner().invoke(app, ["check", str(tmp_path / "absent.yaml")])
    assert wrong.exit_code == 1 and "does not exist" in wrong.output
    assert not (tmp_path / "home").exists()


def test_the_command_warns_where_a_run_would_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSMODAL_HOME", str(tmp_path / "home"))
    text = events_csv() + "".join(f"u{n},101,4,tomorrow\n" for n in range(60))
    path = write(tmp_path, events=text)
    told = CliRunner().invoke(app, ["check", str(path)])
    assert told.exit_code == 1
    assert "A run would stop: 8.8% of the rows" in told.output.replace("\n", " ")
    monkeypatch.setenv("CROSSMODAL_MAX_REJECT_SHARE", "0.2")
    assert CliRunner().invoke(app, ["check", str(path)]).exit_code == 0


def test_events_without_times(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = events_csv(lambda e: f"{e[0]},{e[1]},{e[2]}").replace(
        "user,item,stars,at", "user,item,stars"
    )
    missing = MAPPING.replace(", time: at", "")
    with pytest.raises(SourceError, match=r"line 2: interactions\.time: .*`time: none`"):
        read(write(tmp_path, missing, events=text))
    path = write(tmp_path, missing.replace("item: item", "item: item, time: none"), events=text)
    with caplog.at_level(logging.WARNING):
        found, rejects = read(path)
    assert "have no times" in caplog.text and "have no times" in said(path)
    assert found["event_timestamp"].dt.strftime("%Y-%m").unique().to_list() == ["2000-01"]
    again = opened(path).interactions().frame.collect()
    assert again.equals(found)
    assert set(rejects["reason"]) <= {"duplicate"}
    assert found.height + rejects.height == N_EVENTS


def test_without_times_the_same_rating_twice_is_one(tmp_path: Path) -> None:
    mapping = MAPPING.replace("time: at", "time: none")
    text = "user,item,stars\na,1,4\na,1,4\na,1,5\nb,1,4\n"
    found, rejects = read(write(tmp_path, mapping, events=text))
    assert sorted(found["value"]) == [4.0, 4.0, 5.0]
    assert rejects["reason"].to_list() == ["duplicate"]
    last = mapping.replace("time: none", "time: none, repeats: last")
    assert sorted(read(write(tmp_path, last, events=text))[0]["value"]) == [4.0, 5.0]


@pytest.mark.parametrize("path", ["strange_tables.py"])
def test_a_file_that_is_no_mapping_is_said(path: str) -> None:
    with pytest.raises(SourceError, match="line"):
        check_mapping(Path(__file__).with_name(path))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["u1,101,0,2021-03-01", "u2,102,0,2021-03-02"], "no event of those has a value above 0"),
        (["u1,101,4,2021-03-01", "u1,102,4,2021-03-02"], "too little to judge a model by"),
        ([f"u1,101,4,2021-03-0{day}" for day in range(1, 6)], "too little to judge a model by"),
    ],
)
def test_what_no_model_can_learn_from_is_said_before_a_run(
    tmp_path: Path, rows: list[str], says: str
) -> None:
    told = said(write(tmp_path, events="\n".join(["user,item,stars,at", *rows])))
    assert says in told and "answers with the popular list" in told


def test_times_in_another_unit_are_asked_about(tmp_path: Path) -> None:
    mapping = MAPPING.replace("time: at", "time: at, time_format: unix_ms")
    text = events_csv(lambda e: f"{e[0]},{e[1]},{e[2]},{int(e[3].timestamp())}")
    told = said(write(tmp_path, mapping, events=text))
    assert "600 events of the first weeks of 1970: are their numbers of another unit" in told
    right = mapping.replace("unix_ms", "unix_s")
    assert "1970" not in said(write(tmp_path, right, events=text))


def test_numbers_that_no_figure_can_be_made_of_count_as_absent(tmp_path: Path) -> None:
    mapping = WITH_ITEMS.replace("title: name", "title: name, attributes: [price]")
    rows = [f"{n},Film {n},{'1e308' if n < 105 else n}" for n in range(101, 126)]
    told = said(write(tmp_path, mapping, items="\n".join(["sku,name,price", *rows])))
    assert "price (105 to 125)" in told and "price: no number, in 4 rows" in told


def test_events_enough_are_counted_and_no_more_is_said(tmp_path: Path) -> None:
    told = said(write(tmp_path))
    assert "wanted: 600 events of a value above 0, at most 20 of one user" in told
    assert "too little" not in told

"""Times that are none, times in the forms that programs write, and clocks."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from strange_tables import (
    MAPPING,
    N_EVENTS,
    WITH_ITEMS,
    Event,
    catalogue,
    events,
    events_csv,
    opened,
    read,
    write,
)

from sources.protocol import SourceError
from sources.tables.source import TablesSource

FIRST = events()[0][3].isoformat()


@pytest.mark.parametrize(
    ("instant", "whose"),
    [
        ("0001-01-01T00:00:00", ".NET"),
        ("1601-01-01T00:00:00Z", "Windows"),
        ("1677-09-21 00:12:43.145224193", "pandas"),
        ("1753-01-01", "SQL Server"),
        ("1899-12-30 00:00:00", "Excel"),
        ("1900-01-01T00:00:00", "Excel"),
        ("1904-01-01", "Mac"),
        ("1970-01-01 00:00:00", "Unix"),
        ("1969-12-31T23:59:59Z", "-1"),
        ("2038-01-19T03:14:07Z", "32 bits"),
        ("2262-04-11T23:47:16.854775807", "pandas"),
        ("9999-12-31T23:59:59.9999999", "last year"),
    ],
)
def test_a_word_for_never_costs_its_event_alone(tmp_path: Path, instant: str, whose: str) -> None:
    path = write(tmp_path, events=events_csv().replace(FIRST, instant, 1))
    found, rejects = read(path)
    assert found.height == N_EVENTS - 1
    assert rejects.select("row", "reason").rows() == [(1, "bad_time")]
    assert "means never" in rejects["detail"][0] and whose in rejects["detail"][0]
    assert catalogue(path)["created_at"].unique().to_list() == [events()[1][3].replace(tzinfo=UTC)]


@pytest.mark.parametrize("number", ["0", "-1", "0.0"])
def test_an_epoch_that_was_never_set_is_no_time(tmp_path: Path, number: str) -> None:
    mapping = MAPPING.replace("time: at", "time: at, time_format: unix_s")
    text = events_csv(lambda e: f"{e[0]},{e[1]},{e[2]},{int(e[3].timestamp())}")
    first = text.splitlines()[1].rsplit(",", 1)[0]
    text = text.replace(text.splitlines()[1], f"{first},{number}", 1)
    found, rejects = read(write(tmp_path, mapping, events=text))
    assert found.height == N_EVENTS - 1 and rejects["reason"].to_list() == ["bad_time"]


def test_floor_and_ceiling_are_settings(tmp_path: Path) -> None:
    path = write(tmp_path, MAPPING)
    low, high = datetime(2021, 4, 1, tzinfo=UTC), datetime(2021, 5, 1, tzinfo=UTC)
    found = TablesSource(path=path, earliest=low, latest=high).interactions()
    times = found.frame.collect()["event_timestamp"]
    assert times.min() >= low and times.max() <= high
    rejects = found.rejects.collect()
    assert times.len() + rejects.height == N_EVENTS
    assert rejects["detail"].str.contains("CROSSMODAL_EARLIEST_EVENT|in the future").all()


def test_works_of_any_age_are_dated(tmp_path: Path) -> None:
    mapping = WITH_ITEMS.replace("title: name", "released_at: made, time_format: unix_s")
    made = {n: datetime(1500 + 20 * (n - 101), 5, 1, tzinfo=UTC) for n in range(101, 126)}
    rows = [f"{n},{int(at.timestamp())}" for n, at in made.items()]
    path = write(tmp_path, mapping, items="\n".join(["sku,made", *rows]))
    assert catalogue(path)["released_at"].to_list() == list(made.values())


@pytest.mark.parametrize("year", ["1601", "1753", "1900", "1904", "1970"])
def test_a_work_may_be_of_a_year_that_is_a_word_for_never(tmp_path: Path, year: str) -> None:
    mapping = WITH_ITEMS.replace("title: name", "released_at: made")
    path = write(tmp_path, mapping, items=f"sku,made\n101,{year}-01-01\n102,{year}\n")
    dated = [datetime(int(year), 1, 1, tzinfo=UTC)] * 2
    assert catalogue(path)["released_at"].to_list() == dated


@pytest.mark.parametrize("date", ["0001-01-01", "9999-12-31", "2262-04-11T23:47:16.854775807"])
def test_a_work_that_is_of_never_has_no_date(tmp_path: Path, date: str) -> None:
    mapping = WITH_ITEMS.replace("title: name", "released_at: made, created_at: made")
    path = write(tmp_path, mapping, items=f"sku,made\n101,{date}\n102,1995-01-01\n")
    items = catalogue(path)
    assert items["released_at"][0] is None
    assert items["created_at"][0] == datetime.fromisoformat(FIRST).replace(tzinfo=UTC)
    repaired = opened(path).items().repairs.collect()
    assert repaired["what"].to_list() == ["a time that means never"]


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d %H:%M:%S UTC",
        "%Y-%m-%d %H:%M:%S GMT",
        "%Y-%m-%dT%H:%M:%SZ",
        "%Y-%m-%dT%H:%M:%S.000000000Z",
        "%Y-%m-%d %H:%M:%S,000",
        "%Y/%m/%d %H:%M:%S",
        "%Y%m%dT%H%M%SZ",
        "%Y-%m-%d %H:%M:%S +0000",
        "%Y-%m-%d %H:%M:%S+00",
        "%Y-%m-%dT%H:%M:%S+00:00[Etc/UTC]",
        "%a, %d %b %Y %H:%M:%S GMT",
        "%d %b %Y %H:%M:%S +0000",
    ],
)
def test_usual_forms_of_a_time_are_times(tmp_path: Path, form: str) -> None:
    def line(event: Event) -> str:
        return f'{event[0]},{event[1]},{event[2]},"{event[3].strftime(form)}"'

    found, rejects = read(write(tmp_path, events=events_csv(line)))
    assert rejects.is_empty()
    assert found["event_timestamp"].to_list() == [at.replace(tzinfo=UTC) for *_, at in events()]


@pytest.mark.parametrize("zone", [" EST", " CET", " PM", " Uhr"])
def test_a_zone_that_says_no_offset_is_no_time(tmp_path: Path, zone: str) -> None:
    text = events_csv(lambda e: f"{plain_time(e)}{zone}")
    found, rejects = read(write(tmp_path, events=text))
    assert found.is_empty() and set(rejects["reason"]) == {"bad_time"}
    assert rejects.height == N_EVENTS


def plain_time(event: Event) -> str:
    return f"{event[0]},{event[1]},{event[2]},{event[3]:%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize(
    ("form", "python"),
    [
        ("%m/%d/%Y %l:%M %p", "%m/%d/%Y %I:%M %p"),
        ("%m/%d/%Y %I:%M:%S %P", "%m/%d/%Y %I:%M:%S %p"),
        ("%d.%m.%Y %k:%M", "%d.%m.%Y %H:%M"),
        ("%D %r", "%m/%d/%y %I:%M:%S %p"),
        ("%c", "%a %b %d %H:%M:%S %Y"),
        ("%x %X", "%m/%d/%y %H:%M:%S"),
        ("%d %B %Y %R", "%d %B %Y %H:%M"),
        ("%Y-%j %H:%M", "%Y-%j %H:%M"),
        ("%G-W%V-%u %T", "%G-W%V-%u %H:%M:%S"),
        ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f"),
        ("%d.%m.%Y %Hh", "%d.%m.%Y %Hh"),
        ("%b %d %Y", "%b %d %Y"),
        ("%b %Y", "%b %Y"),
        ("%Y", "%Y"),
        ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S+0000"),
    ],
)
def test_every_directive_that_is_taken_is_read_right(
    tmp_path: Path, form: str, python: str
) -> None:
    mapping = MAPPING.replace("time: at", f"time: at, time_format: '{form}'")
    text = events_csv(lambda e: f"{e[0]},{e[1]},{e[2]},{e[3].strftime(python)}")
    path = write(tmp_path, mapping, events=text)
    found = opened(path)._raw_events[0].frame.collect()["event_timestamp"].to_list()
    said = [e[3].strftime(python).replace("+0000", "") for e in events()]
    plain = python.replace("+0000", "")
    assert found == [datetime.strptime(text, plain).replace(tzinfo=UTC) for text in said]


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("%Y-%m-%d %Z", "%Z"),
        ("%m/%d/%Y %I:%M", "meridiem"),
        ("%H:%M", "does not say the whole time"),
        ("%d %m", "does not say the whole time"),
        ("%Y-%U", "does not say the whole time"),
        ("%Y-%m-%d %H:%M:%S,%f", "%3f"),
        ("%Y-%m-%d %Q", "%Q is no directive"),
    ],
)
def test_a_directive_that_cannot_be_read_is_refused_by_name(
    tmp_path: Path, form: str, says: str
) -> None:
    mapping = MAPPING.replace("time: at", f"time: at, time_format: '{form}'")
    with pytest.raises(SourceError, match=r"mapping\.yaml, line 2") as caught:
        opened(write(tmp_path, mapping))
    assert says in str(caught.value)


def test_a_time_of_a_parquet_file_that_no_calendar_has_is_no_time(tmp_path: Path) -> None:
    frame = pl.DataFrame(events(), schema=["user", "item", "stars", "at"], orient="row")
    far = pl.Series([2**62], dtype=pl.Int64).cast(pl.Datetime("ms"))
    times = frame["at"].cast(pl.Datetime("ms")).extend(far)
    whole = pl.concat([frame, frame.head(1)]).with_columns(at=times)
    whole.write_parquet(tmp_path / "events.parquet")
    mapping = MAPPING.replace("events.csv", "events.parquet")
    found, rejects = read(write(tmp_path, mapping))
    assert found.height == N_EVENTS and rejects["reason"].to_list() == ["bad_time"]


def test_seconds_with_a_fraction_and_nanoseconds(tmp_path: Path) -> None:
    for form, number, instant in (
        ("unix_s", "1614556800.25", timedelta(milliseconds=250)),
        ("unix_ms", "1614556800250", timedelta(milliseconds=250)),
        ("unix_us", "1614556800250001", timedelta(microseconds=250_001)),
        ("unix_ns", "1614556800250001999", timedelta(microseconds=250_001)),
    ):
        mapping = MAPPING.replace("time: at", f"time: at, time_format: {form}")
        path = write(tmp_path, mapping, events=f"user,item,stars,at\na,1,3,{number}\n")
        found, _ = read(path)
        assert found["event_timestamp"][0] == datetime(2021, 3, 1, tzinfo=UTC) + instant


@pytest.mark.parametrize(
    ("given", "asked", "meant"),
    [
        ("1614556800", "iso", "unix_s"),
        ("1614556800123", "iso", "unix_ms"),
        ("1614556800123456", "iso", "unix_us"),
        ("1614556800123456789", "iso", "unix_ns"),
        ("2021-03-01 10:00:00", "unix_s", "iso"),
        ("7.3.2021", "iso", "'%d.%m.%Y'"),
        ("07.03.2021 14:05", "iso", "'%d.%m.%Y %H:%M'"),
        ("03/07/2021", "iso", "'%d/%m/%Y' or '%m/%d/%Y'"),
        ("13/07/2021", "iso", "'%d/%m/%Y'"),
        ("07/13/2021", "iso", "'%m/%d/%Y'"),
    ],
)
def test_a_time_of_another_form_says_which(
    tmp_path: Path, given: str, asked: str, meant: str
) -> None:
    mapping = MAPPING.replace("time: at", f"time: at, time_format: {asked}")
    path = write(tmp_path, mapping, events=f"user,item,stars,at\na,1,3,{given}\n")
    _, rejects = read(path)
    said = rejects["detail"].item()
    assert said.startswith(f"{given}; time_format: {asked} is expected, such as ")
    assert said.endswith(f"; perhaps it is of time_format: {meant}")


@pytest.mark.parametrize(
    ("asked", "example"),
    [
        ("iso", "2021-03-07T14:05:09Z"),
        ("unix_s", "1615125909"),
        ("unix_ms", "1615125909000"),
        ("year", "2021"),
        ("'%d.%m.%Y %l:%M %p'", "07.03.2021  2:05 PM"),
        ("'%Y-%m-%dT%H:%M:%S%z'", "2021-03-07T14:05:09+0000"),
    ],
)
def test_a_time_that_is_none_says_what_is_expected(
    tmp_path: Path, asked: str, example: str
) -> None:
    mapping = MAPPING.replace("time: at", f"time: at, time_format: {asked}")
    _, rejects = read(write(tmp_path, mapping, events="user,item,stars,at\na,101,3,soon\n"))
    form = asked.strip("'")
    assert rejects["detail"].item() == f"soon; time_format: {form} is expected, such as {example}"
    text = f"user,item,stars,at\na,101,3,{example}\n"
    assert read(write(tmp_path, mapping, events=text))[0].height == 1

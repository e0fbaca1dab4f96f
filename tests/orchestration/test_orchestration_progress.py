"""How fast long work goes on, told as people say it."""

import time

import pytest

from orchestration import progress
from orchestration.progress import pace


@pytest.mark.parametrize(
    ("a_second", "told"),
    [(12_345.6, "12,346 a second"), (1.0, "1 a second"), (0.25, "4 s each"), (1 / 90, "90 s each")],
)
def test_slow_steps_are_told_in_seconds_for_one(a_second: float, told: str) -> None:
    assert pace(a_second) == told


def test_steps_done_before_they_are_watched_say_nothing_of_the_pace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_SECONDS", 0.0)
    with progress.watched() as report:
        report("Reading", 2_000_000, 3_000_000)
        report("Reading", 2_000_000, 3_000_000)
    assert capsys.readouterr().err == "  Reading: 2,000,000 of 3,000,000\n"


def test_the_first_steps_say_nothing_of_the_pace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_SECONDS", 0.0)
    with progress.watched() as report:
        report("Inspecting", 1, 40)
        report("Inspecting", 2, 40)
    assert capsys.readouterr().err == "  Inspecting: 2 of 40\n"


def test_the_time_left_is_what_earlier_runs_took_for_what_is_not_there_yet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_SECONDS", 0.0)
    with progress.watched({"splits": 4000.0, "model_hmdf": 1000.0, "metrics": 200.0}) as report:
        report("Reading", 0, 3)
        report("Reading", 1, 3)
        report("splits", 1, 1)
        report("Fitting hmdf", 0, 2)
        report("Fitting hmdf", 1, 2)
        report("model_hmdf", 1, 1)
        report("metrics", 1, 1)
        report("Reading", 2, 3)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("; at most 87 min left by earlier runs")
    assert lines[1].endswith("; at most 20 min left by earlier runs")
    assert "left" not in lines[2]


def test_silent_work_is_heard_of_until_it_is_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_SILENT_SECONDS", 0.0)
    monkeypatch.setattr(progress, "_LOOK_EVERY_SECONDS", 0.01)
    heard = ""
    with progress.watched() as report:
        report("Reading", 3, 3)
        report("Fitting hmdf", 0, 3)
        deadline = time.monotonic() + 30
        while "Fitting" not in heard and time.monotonic() < deadline:
            heard += capsys.readouterr().err
    assert "Fitting hmdf: 0 of 3" in heard and "Reading" not in heard


def test_what_takes_longer_than_in_earlier_runs_has_no_bound(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_SECONDS", 0.0)
    with progress.watched({"splits": 1e-6, "metrics": 1e-6}) as report:
        report("Judging models", 0, 3)
        report("Judging models", 1, 3)
    assert "Judging models: 1 of 3" in (said := capsys.readouterr().err) and "left" not in said

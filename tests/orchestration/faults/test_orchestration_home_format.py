"""Homes of other releases: taken over, or refused with the way out."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossmodal.home_format import FORMAT
from crossmodal.paths import StatePaths
from orchestration.cli import app
from orchestration.cli_shared import made_home


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StatePaths:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSMODAL_HOME", str(home))
    return StatePaths(home)


@pytest.mark.parametrize("command", [["run"], ["status"], ["recommend", "ada"], ["serve"]])
@pytest.mark.parametrize(
    ("content", "way_out"),
    [
        ({"format": FORMAT + 1, "release": "99.0"}, "install that release or a later one"),
        ({"format": 0, "release": "0.0.1"}, "a release in between"),
        ({"form": "unknown"}, "delete it"),
    ],
)
def test_a_home_of_an_unknown_form_is_refused_and_stays_as_it_is(
    paths: StatePaths, command: list[str], content: dict[str, object], way_out: str
) -> None:
    paths.format.write_text(json.dumps(content))
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 1
    assert str(paths.home) in ended.output and way_out in ended.output
    assert "Traceback" not in ended.output
    assert [path.name for path in paths.home.iterdir()] == ["format.json"]


def test_a_home_of_a_release_without_marks_is_taken_over(paths: StatePaths) -> None:
    paths.lake.mkdir()
    assert CliRunner().invoke(app, ["status"]).exit_code == 1
    assert not paths.format.exists(), "who only looks writes nothing"
    made_home(paths.home)
    assert json.loads(paths.format.read_bytes())["format"] == FORMAT
    assert CliRunner().invoke(app, ["status"]).output.startswith("No run has made anything")

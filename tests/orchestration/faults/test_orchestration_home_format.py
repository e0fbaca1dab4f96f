"""Homes of other releases: taken over, or refused with the way out."""

import json
import os
import subprocess
import sys
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


@pytest.mark.parametrize("closed", ["home", "home/format.json", "home/source.json"])
def test_a_home_of_another_user_is_one_sentence(
    paths: StatePaths, tmp_path: Path, closed: str
) -> None:
    made_home(paths.home)
    (paths.home / "source.json").write_text('{"source": "sample"}')
    # What root may do besides is taken from the process.
    plain = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    command = [sys.executable, "-m", "orchestration.cli", "status"]
    mode = (tmp_path / closed).stat().st_mode
    (tmp_path / closed).chmod(0)
    try:
        ended = subprocess.run(
            [*(plain if os.getuid() == 0 else []), *command],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )
    finally:
        (tmp_path / closed).chmod(mode)
    assert ended.returncode == 1
    (said,) = ended.stderr.splitlines()
    assert str(paths.home) in said and "let the user of this process read and write" in said


def test_a_home_of_a_release_without_marks_is_taken_over(paths: StatePaths) -> None:
    paths.lake.mkdir()
    assert CliRunner().invoke(app, ["status"]).exit_code == 1
    assert not paths.format.exists(), "who only looks writes nothing"
    made_home(paths.home)
    assert json.loads(paths.format.read_bytes())["format"] == FORMAT
    assert CliRunner().invoke(app, ["status"]).output.startswith("No run has made anything")

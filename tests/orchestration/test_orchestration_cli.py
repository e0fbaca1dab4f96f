"""The command line as a newcomer meets it: help, exit codes, messages with a way out."""

import os
import socket
import tempfile
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from crossmodal.home_lock import home_lock
from crossmodal.paths import StatePaths
from orchestration.cli import app
from orchestration.cli_shared import made_home
from orchestration.lookup import render_features


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSMODAL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    "command",
    [
        *("run", "search", "report", "recommend", "features", "doctor", "backup", "restore"),
        *("reset", "ui", "champion", "promote", "rollback", "status"),
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["run", "--source", "tables"], "mapping"),
        (["run", "--source", "movielens"], "--name"),
        (["run", "--source", "movielens", "--path", "nowhere"], "does not exist"),
        (["run", "--source", "netflix"], "netflix"),
        (["run", "--source", "sample", "--path", "."], "takes no --path"),
        (["features", "film", "1"], "film"),
        (["features", "user", ""], "the id is empty"),
        (["recommend", " "], "the id is empty"),
    ],
)
def test_a_wrong_call_exits_with_2_and_says_what_is_wrong(call: list[str], said: str) -> None:
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize(
    "call",
    [["report"], ["recommend", "u1"], ["features", "user", "u1"], ["features", "key", "u1"]],
)
def test_asking_before_the_first_run_exits_with_1_and_names_it(call: list[str]) -> None:
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 1
    assert "crossmodal run" in result.output


@pytest.mark.parametrize(
    ("name", "value"),
    [("SEED", "-3"), ("SEED", str(2**40)), ("DEVICE", "tpu"), ("HOME", "/srv/100%25")],
)
def test_a_wrong_setting_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"CROSSMODAL_{name}", value)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 2
    assert f"Setting CROSSMODAL_{name}: " in result.output


def test_a_list_that_is_no_json_is_shown_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_EXTRA_MODELS", "gat")
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 2
    assert "Setting CROSSMODAL_EXTRA_MODELS: " in result.output
    assert """'["gat"]'""" in result.output


def test_best_settings_that_are_not_there_are_named_before_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CROSSMODAL_TUNED", "nowhere.json")
    result = CliRunner().invoke(app, ["run", "--source", "sample"])
    assert result.exit_code == 2
    assert "nowhere.json" in result.output


def test_doctor_names_a_key_that_is_missing(_home: Path) -> None:
    assert "key_of_users: None" in CliRunner().invoke(app, ["doctor"]).output
    (_home / "serving").mkdir(parents=True)
    (_home / "serving" / "events.db").touch()
    result = CliRunner().invoke(app, ["doctor"])
    assert "key_of_users: unusable: There is no" in result.output
    assert "restore the file from a backup" in result.output


def test_a_source_that_is_none_is_named_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_SOURCE", "netflix")
    result = CliRunner().invoke(app, ["run"])
    assert result.exit_code == 2
    assert "'netflix' is unknown; choose sample" in result.output


def test_a_home_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CROSSMODAL_HOME", str(tmp_path / "file" / "home"))
    result = CliRunner().invoke(app, ["run"])
    assert result.exit_code == 2
    assert "CROSSMODAL_HOME" in result.output


@pytest.mark.parametrize("wrong", ["nosuch", "raw_files", "group:nosuch"])
def test_a_selection_of_nothing_is_a_wrong_call(wrong: str) -> None:
    result = CliRunner().invoke(app, ["run", "--only", wrong])
    assert result.exit_code == 2
    assert wrong in result.output


def test_reset_deletes_a_state_folder_and_nothing_else(_home: Path) -> None:
    _home.mkdir()
    (_home / "holiday.jpg").touch()
    refused = CliRunner().invoke(app, ["reset", "--yes"])
    assert refused.exit_code == 1
    assert (_home / "holiday.jpg").exists()
    for mark in ("lake", "serving"):
        (_home / mark).mkdir(parents=True)
        assert CliRunner().invoke(app, ["reset", "--yes"]).exit_code == 0
        assert not _home.exists()


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        result = CliRunner().invoke(app, ["ui", "--port", port])
    assert result.exit_code == 2
    assert port in result.output and "taken" in result.output


@pytest.mark.parametrize("work", ["run", "ui", "backup"])
def test_reset_leaves_a_home_that_something_works_in(_home: Path, work: str) -> None:
    (_home / "lake").mkdir(parents=True)
    with home_lock(StatePaths(_home), work):
        refused = CliRunner().invoke(app, ["reset", "--yes"])
    assert refused.exit_code == 1
    assert "CROSSMODAL_HOME" in refused.output
    assert (_home / "lake").is_dir()


def test_a_home_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    # Not below pytest's own folder, which nobody else may enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        home.mkdir(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            with pytest.raises(typer.Exit) as ended:
                made_home(home)
        finally:
            if root:
                os.seteuid(0)
    assert ended.value.exit_code == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert str(home) in sentence and "CROSSMODAL_HOME" in sentence


def test_letters_with_accents_are_readable_in_features() -> None:
    shown = render_features({"item_ids": ["Café"], "embedding": [0.5, -1.0]})
    assert '"Café"' in shown and "[0.5, -1.0]" in shown

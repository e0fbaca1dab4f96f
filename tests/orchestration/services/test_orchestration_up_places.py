"""What `crossmodal up` writes, and when it starts nothing."""

import shutil
import socket
from pathlib import Path

import pytest
from small_platform import small_settings
from typer.testing import CliRunner

from crossmodal.home_lock import home_lock
from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from orchestration.cli import app
from orchestration.services.configuration import configuration, environment
from orchestration.services.places import (
    ServicesError,
    Started,
    configuration_file,
    made_folders,
    note,
    noted,
    socket_of,
)
from orchestration.services.up import running


def refused(home: Path, *words: str) -> str:
    ended = CliRunner(env={"CROSSMODAL_HOME": str(home)}).invoke(app, ["up", *words])
    assert ended.exit_code == 1
    assert not StatePaths(home).up_note.exists()
    return ended.output


def test_a_web_ui_that_somebody_has_started_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    with home_lock(StatePaths(tmp_path), "ui"):
        said = refused(tmp_path)
    assert "Another web UI works" in said and "process" in said


def test_a_port_that_is_taken_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port, other = str(taken.getsockname()[1]), str(free.getsockname()[1])
        free.close()
        assert "name another with --ui-port" in refused(tmp_path, "--ui-port", port)
        monkeypatch.setenv("CROSSMODAL_SERVE_PORT", port)
        assert f"127.0.0.1:{port} cannot be listened on" in refused(tmp_path, "--ui-port", other)
        assert "two ports" in refused(tmp_path, "--ui-port", port)
    monkeypatch.setenv("CROSSMODAL_SERVE_PORT", "0")
    assert "CROSSMODAL_SERVE_PORT" in refused(tmp_path, "--ui-port", other)


def test_down_in_a_home_where_nothing_runs_changes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ended = CliRunner(env={"CROSSMODAL_HOME": str(home)}).invoke(app, ["down"])
    assert ended.exit_code == 0 and "Nothing runs" in ended.output
    assert not home.exists()


@pytest.mark.parametrize("chosen", [None, True, False])
def test_what_is_started_works_unattended_unless_the_operator_says_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: bool | None
) -> None:
    monkeypatch.delenv("CROSSMODAL_UNATTENDED", raising=False)
    if chosen is not None:
        monkeypatch.setenv("CROSSMODAL_UNATTENDED", str(chosen))
    given = environment(Settings(home=tmp_path))
    assert given["CROSSMODAL_UNATTENDED"] == ("false" if chosen is False else "true")


@pytest.mark.parametrize("temporary", ["tmp", "a folder ;with 50%x of all"])
@pytest.mark.parametrize("name", ["home", "a home; with all of it", "long" * 20])
def test_supervisord_reads_what_is_written_and_rotates_logs_by_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, temporary: str
) -> None:
    options = pytest.importorskip("supervisor.options", reason="supervisor is not installed here")
    (tmp_path / temporary).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / temporary))
    settings = small_settings(tmp_path / name, serve_port=8001, serve_stop_seconds=40)
    paths = StatePaths(settings.home)
    paths.home.mkdir()
    made_folders(paths)
    configuration_file(paths).write_text(configuration(settings, 3001))
    for variable, value in environment(settings).items():
        monkeypatch.setenv(variable, value)
    read = options.ServerOptions()
    read.realize(["-c", str(configuration_file(paths))])
    (group,) = read.process_group_configs
    programs = {program.name: program for program in group.process_configs}
    assert set(programs) == {"ui", "serve"}
    for name, program in programs.items():
        assert program.stdout_logfile == str(paths.logs / f"{name}.log")
        assert (program.stdout_logfile_maxbytes, program.stdout_logfile_backups) == (10 << 20, 5)
        assert program.redirect_stderr and program.killasgroup
    assert programs["serve"].command.endswith("serve --port 8001")
    # Longer than the service itself gives its requests and its processes.
    assert programs["serve"].stopwaitsecs > 55
    (control,) = read.server_configs
    assert control["file"] == str(socket_of(paths)) and control["chmod"] == 0o700


def test_a_home_with_a_long_name_has_its_socket_in_the_folder_of_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    home = tmp_path / ("long" * 20)
    place = socket_of(StatePaths(home))
    assert place.parent.parent == tmp_path and place.parent.stat().st_mode & 0o777 == 0o700
    assert socket_of(StatePaths(home)) == place != socket_of(StatePaths(home / "other"))
    home.mkdir()
    made_folders(StatePaths(home))
    started = Started(str(place), "", "")
    note(StatePaths(home), started)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "another"))
    assert noted(StatePaths(home)) == started
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    place.parent.chmod(0o755)
    with pytest.raises(ServicesError, match="only this user"):
        socket_of(StatePaths(home))


def test_a_copy_of_a_home_that_is_up_has_nothing_to_do_with_its_supervisor(tmp_path: Path) -> None:
    home, copy = StatePaths(tmp_path / "home"), StatePaths(tmp_path / "copy")
    home.home.mkdir()
    made_folders(home)
    with socket.socket(socket.AF_UNIX) as supervisor:
        supervisor.bind(str(socket_of(home)))
        supervisor.listen()
        note(home, Started(str(socket_of(home)), "", ""))
        shutil.copytree(home.home, copy.home, ignore=shutil.ignore_patterns("*.sock"))
        (tmp_path / "link").symlink_to(home.home)
        assert running(home) == noted(StatePaths(tmp_path / "link")) is not None
        assert running(copy) is None and noted(copy) is None

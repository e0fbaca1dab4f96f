"""What tests of backups and of restores do with homes."""

import hashlib
from contextlib import closing
from pathlib import Path

from typer.testing import CliRunner

from crossmodal.event_log import EventLog, LoggedEvent
from crossmodal.paths import StatePaths
from orchestration.cli import app


def silent(sentence: str) -> None:
    """Where nothing is waited for."""


def event(name: str) -> LoggedEvent:
    return LoggedEvent(name, "ada", "item", "click", None, None, None, 1_000_000)


def files_of(folder: Path) -> dict[str, str]:
    """The hash of every file."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def acknowledged(paths: StatePaths) -> set[str]:
    with closing(EventLog(paths.event_log)) as log:
        return {one.event_id for one in log.acts_of_user("ada")}


def call(*words: object, **variables: object) -> tuple[int, str]:
    environment = {name: str(value) for name, value in variables.items()}
    result = CliRunner().invoke(app, [str(word) for word in words], env=environment)
    return result.exit_code, result.output

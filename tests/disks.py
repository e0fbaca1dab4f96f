"""Real disks that are full or can only be read, mounted for one process in its own namespace."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

_SMALL = 'mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"'
_READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'


def on_small_disk(folder: Path, size: str, code: str, *words: object) -> str:
    """What Python code prints that sees an empty disk of a size, such as 1m, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    ended = _mounted(_SMALL, size, str(folder), sys.executable, "-c", code, *map(str, words))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def command_on_small_disk(
    folder: Path, size: str, *words: str, **chosen: str
) -> "subprocess.CompletedProcess[str]":
    """The project's command, on an empty disk of a size that is its home."""
    folder.mkdir(parents=True, exist_ok=True)
    return _mounted(_SMALL, size, str(folder), *_command(words), CROSSMODAL_HOME=folder, **chosen)


def command_on_read_only_disk(
    folder: Path, *words: str, **chosen: str
) -> "subprocess.CompletedProcess[str]":
    """The project's command, where its home can only be read, by root too."""
    return _mounted(_READ_ONLY, str(folder), *_command(words), CROSSMODAL_HOME=folder, **chosen)


def _command(words: tuple[str, ...]) -> tuple[str, ...]:
    return (sys.executable, "-m", "orchestration.cli", *words)


def _mounted(script: str, *words: str, **variables: object) -> "subprocess.CompletedProcess[str]":
    if (why := _why_not()) is not None:
        pytest.skip(f"no disk can be mounted here: {why}")
    environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    return _in_namespace(script, *words, environment=environment)


@cache
def _why_not() -> str | None:
    try:
        ended = _in_namespace("mount -t tmpfs none /mnt", environment=dict(os.environ))
    except FileNotFoundError as error:
        return str(error)
    return ended.stderr.strip() or None if ended.returncode else None


def _in_namespace(
    script: str, *words: str, environment: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )

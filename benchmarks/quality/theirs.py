"""A peer on a split: a process in its own environment that is handed files."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.__main__ import MISSING_PACKAGE
from benchmarks.peers.catalogue import PeerEntry
from benchmarks.peers.exchange import Answer, Task, read_answer, write_task

_FOLDER = Path(__file__).parents[1]
ENVIRONMENTS = _FOLDER / ".venv"


class PeersMissingError(RuntimeError):
    """A peer's environment was not built."""


@dataclass(frozen=True)
class Skipped:
    """Why a model has no answer."""

    reason: str
    failed: bool


def python_of(environment: str) -> Path:
    """The interpreter of that environment, which is a file where it was built."""
    return ENVIRONMENTS / environment / "bin" / "python"


def require_environments(peers: Iterable[PeerEntry]) -> None:
    """Checks that the environment of each of the peers is there.

    Raises:
        PeersMissingError: one is not.
    """
    environments = dict.fromkeys(entry.environment for entry in peers)
    missing = [name for name in environments if not python_of(name).is_file()]
    if missing:
        raise PeersMissingError(
            f"The peers' environment {', '.join(missing)} is missing: run `make bench-env`, or "
            "pass --skip-peers."
        )


def answer(
    entry: PeerEntry, task: Task, settings: Mapping[str, Any] | None = None
) -> Answer | Skipped:
    """The peer's answer; given settings are used as they are, without tuning."""
    with tempfile.TemporaryDirectory() as folder:
        task_file, answer_file = Path(folder) / "task.npz", Path(folder) / "answer.npz"
        write_task(task_file, task)
        command = [
            str(python_of(entry.environment)),
            "-m",
            "peers",
            entry.name,
            str(task_file),
            str(answer_file),
        ]
        command += ["--configurations", str(entry.budget.configurations)]
        command += ["--seconds", str(entry.budget.seconds)]
        if settings is not None:
            command += ["--settings", json.dumps(settings)]
        done = subprocess.run(
            command, cwd=_FOLDER, env=_environment(), capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return read_answer(answer_file)
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        if done.returncode == MISSING_PACKAGE:
            return Skipped(last, failed=False)
        return Skipped(f"ended with status {done.returncode}: {last}", failed=True)


def _environment() -> dict[str, str]:
    """Ours without what would lead its Python to our packages."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

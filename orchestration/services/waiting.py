"""Waits until the web UI and the online service answer, or says why one does not."""

import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import httpx

from crossmodal.paths import StatePaths
from models.registry import ModelRegistry
from orchestration.services.configuration import NAMES, RETRIES, SERVICE, UI
from orchestration.services.control import Program, Supervisor
from orchestration.services.places import ServicesError, Started, log_of

_MOST_SECONDS = 600
"""A machine that is busy loads models for minutes."""

_LOOK_EVERY_SECONDS = 0.25
_SHOWN_LINES = 12
_TAIL_BYTES = 16_384


def has_champion(paths: StatePaths) -> bool:
    """Whether a model can answer; without one, the service lives but has no lists."""
    return ModelRegistry(paths.models).champion() is not None


def await_answers(paths: StatePaths, started: Started) -> None:
    """Returns once both programs run and answer.

    Raises:
        ServicesError: one has ended too often, or does not answer in time.
    """
    probe = "readyz" if has_champion(paths) else "healthz"
    asked = {UI: f"{started.ui}/server_info", SERVICE: f"{started.service}/{probe}"}
    supervisor, seen = Supervisor(started.socket), defaultdict[str, set[int]](set)
    end = time.monotonic() + _MOST_SECONDS
    while True:
        programs = supervisor.programs()
        for name, program in programs.items():
            seen[name].add(program.pid)
        failed = [name for name in NAMES if _failed(programs[name], seen[name])]
        if failed:
            raise _failure(paths, supervisor, failed)
        answers = {name: _answer(url) for name, url in asked.items()}
        silent = {name: why for name, why in answers.items() if why}
        if not silent and all(programs[name].state == "RUNNING" for name in NAMES):
            return
        if time.monotonic() > end:
            raise ServicesError("\n".join(_silence(paths, silent)))
        time.sleep(_LOOK_EVERY_SECONDS)


def _failed(program: Program, pids: set[int]) -> bool:
    """Whether a program has ended as often as it may.

    One that ends some seconds after its start is started again for ever.
    """
    starts = pids - {0}
    stopped = program.state == "STOPPED" and bool(starts)
    return program.state == "FATAL" or stopped or len(starts) > RETRIES + 1


def _failure(paths: StatePaths, supervisor: Supervisor, failed: list[str]) -> ServicesError:
    programs = supervisor.programs()
    goes_on = [name for name in NAMES if name not in failed and programs[name].lives]
    if goes_on:
        end = f"The {NAMES[goes_on[0]]} goes on; `crossmodal down` ends it."
    else:
        supervisor.shut_down()
        end = "Nothing runs any more."
    return ServicesError("\n".join([*(_last_lines(paths, name) for name in failed), end]))


def _last_lines(paths: StatePaths, name: str) -> str:
    log = log_of(paths, name)
    lines = "\n".join(f"  {line}" for line in _tail(log)) or "  (nothing)"
    return f"The {NAMES[name]} does not start. The last lines of {log}:\n{lines}"


def _tail(log: Path) -> list[str]:
    """The last lines of a file; none where it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-_SHOWN_LINES:]


def _silence(paths: StatePaths, silent: Mapping[str, str]) -> list[str]:
    return [
        f"The {NAMES[name]} runs, but has not answered well within {_MOST_SECONDS} s ({why}). See "
        f"{log_of(paths, name)}; `crossmodal down` ends it."
        for name, why in silent.items()
    ]


def _answer(url: str) -> str:
    """Why an address does not answer well; empty where it does."""
    try:
        answer = httpx.get(url, timeout=5, trust_env=False)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    return "" if answer.is_success else f"{answer.status_code}: {answer.text[:200]}"

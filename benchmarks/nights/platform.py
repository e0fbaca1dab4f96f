"""A home under `crossmodal up`: its commands, its processes, and what Dagster records of it."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter
from tenacity import RetryError, retry, retry_if_result, stop_after_delay, wait_fixed

from crossmodal.home_lock import holder_of
from crossmodal.paths import StatePaths
from crossmodal.settings import load_settings
from crossmodal.workspace import Workspace
from orchestration.instance import open_instance
from orchestration.services.control import Supervisor
from orchestration.services.places import noted

PATIENCE_SECONDS = 3600
_NIGHTLY = {"dagster/schedule_name": "nightly"}
_WORKING = [DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.CANCELING]

patiently = retry(
    retry=retry_if_result(lambda found: not found),
    stop=stop_after_delay(PATIENCE_SECONDS),
    wait=wait_fixed(1),
)
"""Asks again each second until the answer is true; `RetryError` after an hour."""


class CommandError(RuntimeError):
    """A command of the platform failed; the message is what it said."""


@dataclass(frozen=True)
class Platform:
    """One home, and how its processes are started.

    Attributes:
        paths: of the home.
        events_folder: which the sensor `event_files` watches.
        chosen: settings as environment variables.
        ui_port: of the web UI.
        port: of the service.
    """

    paths: StatePaths
    events_folder: Path
    chosen: Mapping[str, str]
    ui_port: int = field(default_factory=lambda: _free_port())
    port: int = field(default_factory=lambda: _free_port())

    @property
    def url(self) -> str:
        """Of the service."""
        return f"http://127.0.0.1:{self.port}"

    def workspace(self) -> Workspace:
        """The home, read by this process."""
        return Workspace(load_settings(home=self.paths.home))

    def run(self, *words: str) -> None:
        """`crossmodal run` with these words.

        Raises:
            CommandError: it failed.
        """
        self._command("run", *words)

    def up(self) -> None:
        """`crossmodal up`.

        Raises:
            CommandError: it failed.
        """
        self._command("up", "--ui-port", str(self.ui_port))

    def down(self) -> None:
        """`crossmodal down`.

        Raises:
            CommandError: it failed.
        """
        self._command("down")

    def problems(self) -> list[str]:
        """What `crossmodal status` says must be done."""
        said = self._asked("status", "--json")
        found: dict[str, Any] = json.loads(said.stdout)
        return [problem["what"] for problem in found["problems"]]

    def pids(self) -> dict[str, int]:
        """Living processes by what they are: ui, webserver, daemon, service, and run."""
        started = noted(self.paths)
        assert started is not None
        programs = Supervisor(started.socket).programs()
        found = {
            {"serve": "service"}.get(name, name): program.pid
            for name, program in programs.items()
            if program.pid
        }
        for process in _children(found.get("ui", 0)):
            words = _words(process)
            if "dagster_webserver" in words:
                found["webserver"] = process.pid
            elif "dagster._daemon" in words:
                found["daemon"] = process.pid
        holder = holder_of(self.paths)
        return found if holder is None else {**found, "run": holder.pid}

    def states(self) -> dict[str, str]:
        """What the supervisor says of its programs, such as RUNNING or FATAL."""
        started = noted(self.paths)
        assert started is not None
        return {name: one.state for name, one in Supervisor(started.socket).programs().items()}

    def nightly_since(self, instant: float) -> RunRecord:
        """Waits for a scheduled run that began after an instant and succeeded.

        Args:
            instant: seconds since 1970.

        Raises:
            TimeoutError: there was none within an hour.
        """

        @patiently
        def found() -> RunRecord | None:
            with open_instance(self.paths) as instance:
                records = instance.get_run_records(
                    RunsFilter(statuses=[DagsterRunStatus.SUCCESS], tags=_NIGHTLY), limit=20
                )
            began = [one for one in records if (one.start_time or 0.0) > instant]
            return began[-1] if began else None

        try:
            record = found()
        except RetryError as error:
            raise TimeoutError("The night's run did not succeed within an hour.") from error
        assert record is not None
        return record

    def runs(self) -> dict[str, int]:
        """How many runs there were of each status."""
        with open_instance(self.paths) as instance:
            return {
                status.value: count
                for status in DagsterRunStatus
                if (count := instance.get_runs_count(RunsFilter(statuses=[status])))
            }

    def working(self) -> list[str]:
        """Runs that have begun and not ended."""
        with open_instance(self.paths) as instance:
            return _ids(instance)

    def environment(self) -> dict[str, str]:
        """Of every command: settings by variables."""
        return {
            **os.environ,
            **self.chosen,
            "CROSSMODAL_HOME": str(self.paths.home),
            "CROSSMODAL_SERVE_PORT": str(self.port),
            "CROSSMODAL_UNATTENDED_EVENTS_FOLDER": str(self.events_folder),
        }

    def _command(self, *words: str) -> None:
        said = self._asked(*words)
        if said.returncode:
            raise CommandError(f"crossmodal {' '.join(words)} failed:\n{said.stdout[-4000:]}")

    def _asked(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "orchestration.cli", *words],
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if "--json" in words else subprocess.STDOUT,
            text=True,
            check=False,
        )


def _ids(instance: DagsterInstance) -> list[str]:
    return [run.run_id for run in instance.get_runs(RunsFilter(statuses=_WORKING))]


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True) if pid else []
    except psutil.NoSuchProcess:
        return []


def _words(process: psutil.Process) -> list[str]:
    try:
        words: list[str] = process.cmdline()
    except psutil.Error:
        return []
    return words


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port

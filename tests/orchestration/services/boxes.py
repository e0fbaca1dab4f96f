"""A home whose web UI and service `crossmodal up` starts, and what it is asked."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from crossmodal.home_lock import holder_of
from crossmodal.paths import StatePaths
from orchestration.services.control import Supervisor
from orchestration.services.left_behind import left_behind
from orchestration.services.places import noted


@dataclass(frozen=True)
class Box:
    """A home with two ports of its own."""

    paths: StatePaths
    ui_port: int
    port: int
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        chosen = {
            "HOME": str(self.paths.home),
            "SERVE_PORT": str(self.port),
            "MEDIA_WORKERS": "1",
            "SERVE_STOP_SECONDS": "60",
        }
        return {**os.environ, **{f"CROSSMODAL_{name}": value for name, value in chosen.items()}}

    def words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "orchestration.cli", *words]

    def up(self, *words: str, **chosen: str) -> subprocess.CompletedProcess[str]:
        return self._run("up", "--ui-port", str(self.ui_port), *words, **chosen)

    def down(self) -> subprocess.CompletedProcess[str]:
        return self._run("down")

    def _run(self, *words: str, **chosen: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(*words),
            env={**self.environment, **chosen},
            # Standard error goes to the same place, as an operator sees both.
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )

    @property
    def supervisor(self) -> Supervisor:
        started = noted(self.paths)
        assert started is not None
        return Supervisor(started.socket)

    def pids(self) -> dict[str, int]:
        return {name: program.pid for name, program in self.supervisor.programs().items()}

    def family(self) -> list[psutil.Process]:
        """The supervisor and all that it started."""
        first = psutil.Process(self.supervisor.pid())
        return [first, *first.children(recursive=True)]

    def ui_holder(self) -> int:
        holder = holder_of(self.paths, "ui")
        assert holder is not None
        return holder.pid

    def answers(self) -> None:
        for url in (f"http://127.0.0.1:{self.port}/healthz", f"{self.ui}/server_info"):
            httpx.get(url, timeout=60).raise_for_status()

    @property
    def ui(self) -> str:
        return f"http://127.0.0.1:{self.ui_port}"

    def require_free(self) -> None:
        for port in (self.port, self.ui_port):
            with socket.create_server(("127.0.0.1", port)):
                pass


@contextmanager
def box_of(folder: Path) -> Iterator[Box]:
    """A box; whatever still runs after the block is killed."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        ports = one.getsockname()[1], two.getsockname()[1]
    box = Box(StatePaths(folder / "home"), *ports, folder)
    try:
        yield box
    finally:
        _kill(box)


def _kill(box: Box) -> None:
    started = noted(box.paths)
    if started is None:
        return
    first = [psutil.Process(pid) for pid in left_behind(started.socket)]
    supervisor = Supervisor(started.socket)
    running = [psutil.Process(supervisor.pid())] if supervisor.answers() else []
    for process in (*running, *first):
        for one in (*process.children(recursive=True), process):
            one.kill()

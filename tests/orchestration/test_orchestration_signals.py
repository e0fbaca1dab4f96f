"""Commands that a signal ends: everything that they started ends too, and the record is true."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import dagster as dg
import httpx
import psutil
import pytest
from commands import ended_by, patiently, started

from crossmodal.paths import StatePaths
from orchestration.instance import open_instance


@pytest.mark.slow
def test_the_web_ui_ends_with_all_of_its_processes(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    @patiently
    def answers() -> None:
        if ui.poll() is not None:
            raise RuntimeError("The web UI has ended.")
        httpx.get(f"http://127.0.0.1:{port}/server_info", timeout=60).raise_for_status()

    paths = StatePaths(tmp_path / "home")
    with started(paths.home, "ui", "--port", str(port)) as ui:
        answers()
        with open_instance(paths) as instance:
            # As a run that was started in the web UI and goes on while it ends.
            going = dg.DagsterRun(job_name="everything", status=dg.DagsterRunStatus.STARTED)
            instance.add_run(going)
        assert len(ui.children(recursive=True)) >= 3
        assert ended_by(ui, signal.SIGTERM) == 0
    with socket.create_server(("127.0.0.1", port)):
        pass
    with open_instance(paths) as instance:
        found = instance.get_run_by_id(going.run_id)
    assert found is not None and found.status is dg.DagsterRunStatus.CANCELED


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_a_signal_ends_is_recorded_as_canceled(tmp_path: Path, number: int) -> None:
    home = tmp_path / "home"

    def statuses() -> list[dg.DagsterRunStatus]:
        with open_instance(StatePaths(home)) as instance:
            return [run.status for run in instance.get_runs()]

    @patiently
    def runs() -> None:
        if run.poll() is not None:
            raise RuntimeError("The run has ended.")
        assert statuses() == [dg.DagsterRunStatus.STARTED]

    # So many posters and sounds that the run is still drawing them.
    with started(home, "run", "--source", "sample", CROSSMODAL_SAMPLE_ITEMS="5000") as run:
        runs()
        assert ended_by(run, number) == 128 + number
        assert "run again to go on" in run.stdout.read()
    assert statuses() == [dg.DagsterRunStatus.CANCELED]


BUSY = """
import hashlib, subprocess, sys, threading
from pathlib import Path
from crossmodal.paths import StatePaths
from orchestration import interrupts

interrupts.RUN_SECONDS = 0.5
with interrupts.interruptible(StatePaths(Path(sys.argv[1]))):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    # Said by a thread, once the library computes: before, Python itself would hear of a signal.
    threading.Timer(0.5, print, [child.pid], {"flush": True}).start()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
"""


@pytest.mark.slow
def test_what_cannot_be_interrupted_is_ended_in_time(tmp_path: Path) -> None:
    process = psutil.Popen(
        [sys.executable, "-c", BUSY, str(tmp_path / "home")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    child = psutil.Process(int(process.stdout.readline()))
    assert ended_by(process, signal.SIGTERM) == 143
    assert not child.is_running()
    assert "Interrupted" in process.stderr.read()

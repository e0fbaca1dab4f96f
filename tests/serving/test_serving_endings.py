"""How the service begins and ends as a supervisor sees it: exit codes, processes, the port."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed
from typer.testing import CliRunner

from orchestration.cli import app as command


@contextmanager
def serving(home: Path, workers: int, said: Path, **own: str) -> Iterator[tuple[psutil.Popen, int]]:
    """A service of its own process, and its port; what it says goes to a file."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "orchestration.cli", "serve", "--port", str(port)]
    chosen = {"CROSSMODAL_HOME": str(home), "CROSSMODAL_MEDIA_WORKERS": "1"}
    chosen |= {f"CROSSMODAL_SERVE_{name}": value for name, value in own.items()}
    with said.open("w") as file:
        service = psutil.Popen(
            [*words, "--workers", str(workers)],
            env={**os.environ, **chosen},
            stdout=file,
            stderr=file,
        )
    try:
        yield service, port
    finally:
        if service.is_running():
            for process in (*service.children(recursive=True), service):
                process.kill()
        service.wait()


@retry(
    retry=retry_if_exception_type(httpx.HTTPError),
    stop=stop_after_delay(480),
    wait=wait_fixed(0.1),
    reraise=True,
)
def alive(service: psutil.Popen, port: int) -> None:
    if service.poll() is not None:
        raise RuntimeError("The service has ended.")
    httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=60).raise_for_status()


@pytest.mark.slow
def test_a_hang_up_ends_it_with_0_and_frees_the_port(tmp_path: Path) -> None:
    with serving(tmp_path / "home", 1, tmp_path / "said") as (service, port):
        alive(service, port)
        assert_ends_all(service, port, signal.SIGHUP)
    assert "Traceback" not in (tmp_path / "said").read_text()


HALF_A_HEAD = b"GET /v1/items HTTP/1.1\r\nHost: loc"
HALF_A_BODY = (
    b"PUT /v1/items/a/media/image HTTP/1.1\r\nHost: localhost\r\n"
    b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"
)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_ends_every_process_with_0_whatever_half_sent_requests_are_held(
    tmp_path: Path, workers: int
) -> None:
    own = {"STOP_SECONDS": "1", "HEADER_SECONDS": "600", "BODY_SECONDS": "600"}
    with (
        serving(tmp_path / "home", workers, tmp_path / "said", **own) as (service, port),
        ExitStack() as held,
    ):
        alive(service, port)
        for said in [HALF_A_HEAD] * 2 + [HALF_A_BODY] * 4:
            caller = held.enter_context(socket.create_connection(("127.0.0.1", port), 60))
            caller.sendall(said)
            if said == HALF_A_BODY:
                assert b"100 Continue" in caller.recv(100)
        assert_ends_all(service, port, signal.SIGTERM)
    assert "Traceback" not in (tmp_path / "said").read_text()


def assert_ends_all(service: psutil.Popen, port: int, number: int) -> None:
    """Sends a signal: the service ends with 0, all of its processes end, the port is free."""
    started = service.children(recursive=True)
    service.send_signal(number)
    assert service.wait(120) == 0
    # Python's own helper of several processes sees a little later that they have ended.
    _, left = psutil.wait_procs(started, timeout=20)
    assert not left
    with socket.create_server(("127.0.0.1", port)):
        pass


@retry(
    retry=retry_if_exception_type(RuntimeError),
    stop=stop_after_delay(120),
    wait=wait_fixed(0.05),
    reraise=True,
)
def begun(service: psutil.Popen, workers: int) -> None:
    if len(service.children(recursive=True)) < workers:
        raise RuntimeError("The service has not begun its processes.")


@pytest.mark.slow
def test_processes_that_are_not_ready_yet_are_not_waited_for(tmp_path: Path) -> None:
    with serving(tmp_path / "home", 2, tmp_path / "said") as (service, _):
        begun(service, 2)
        started = service.children(recursive=True)
        service.send_signal(signal.SIGTERM)
        assert service.wait(120) == 0
        _, left = psutil.wait_procs(started, timeout=20)
        assert not left
    assert "did not end in time" not in (tmp_path / "said").read_text()


@pytest.mark.slow
@pytest.mark.faults
def test_where_no_process_can_start_the_service_ends_and_says_why(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    # Where the encoders' weights should be, there is something else: only a worker finds that out.
    (home / "weights").write_text("no folder")
    with serving(home, 2, tmp_path / "said") as (service, _):
        assert service.wait(480) == 1
    said = (tmp_path / "said").read_text()
    assert str(home / "weights") in said
    assert said.rstrip().endswith("The service could not start; the reason is above.")


def damaged_events(home: Path) -> None:
    (home / "serving" / "events.db").write_text("no database" * 500)


def damaged_keys(home: Path) -> None:
    (home / "serving" / "keys.json").write_text("{")


def damaged_limits(home: Path) -> None:
    (home / "serving" / "limits.db").write_text("no database" * 500)


def no_folder(home: Path) -> None:
    (home / "serving").rmdir()
    (home / "serving").write_text("a file")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (damaged_events, "events.db"),
        (damaged_keys, "keys.json"),
        (damaged_limits, "limits.db"),
        (no_folder, "serving"),
    ],
)
def test_what_cannot_be_opened_is_one_sentence_and_1(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], None],
    named: str,
) -> None:
    home = tmp_path / "home"
    (home / "serving").mkdir(parents=True)
    damage(home)
    monkeypatch.setenv("CROSSMODAL_HOME", str(home))
    monkeypatch.setenv("CROSSMODAL_ID_KEY", "a key for tests")
    ended = CliRunner().invoke(command, ["serve", "--workers", "2"])
    assert ended.exit_code == 1
    (sentence,) = ended.stderr.splitlines()
    assert str(home / "serving") in sentence and named in sentence
    assert "Starting" not in ended.stdout


STUCK = """
import threading
import uvicorn
from serving import server, supervisor

supervisor.SERVICE_SECONDS = 0.1
stuck = server._Server(uvicorn.Config("nothing:app"))
stuck.started = True
stuck.handle_exit(15, None)
threading.Event().wait()
"""

STUCK_WORKERS = """
import socket, subprocess, sys
import psutil
import uvicorn
from serving import server, supervisor

supervisor.SERVICE_SECONDS = 0.1

class Stuck(supervisor.Supervisor):
    def run(self):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        self._family = [psutil.Process(child.pid)]
        self.join_all()

server.Supervisor = Stuck
server._supervise(server.Settings(home=sys.argv[1], serve_port=0, serve_stop_seconds=0.1))
"""


@pytest.mark.parametrize("code", [STUCK, STUCK_WORKERS])
def test_an_end_by_force_is_no_success(tmp_path: Path, code: str) -> None:
    command = [sys.executable, "-c", code, str(tmp_path / "home")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert ended.returncode == 1
    assert "in time" in ended.stderr or "by itself" in ended.stderr


GETTING_READY = """
import sys, threading
from serving import server

def application(settings, figures):
    print("begun", flush=True)
    threading.Event().wait()

server.application = application
server._serve_alone(server.Settings(home=sys.argv[1], serve_port=0))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_lone_service_that_is_not_ready_yet_ends_at_once(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-c", GETTING_READY, str(tmp_path / "home")]
    with psutil.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as service:
        assert service.stdout.readline() == b"begun\n"
        service.send_signal(number)
        _, said = service.communicate(timeout=120)
    assert service.returncode == 0 and b"Traceback" not in said

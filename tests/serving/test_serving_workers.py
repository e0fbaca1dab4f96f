"""Several processes on one port: one service to those who call, whatever is killed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import psutil
import pytest
from conftest import ready
from prometheus_text import figure
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from crossmodal.event_log import read_log
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.registry import ModelRegistry

pytestmark = pytest.mark.slow
patiently = retry(
    retry=retry_if_exception_type((AssertionError, httpx.HTTPError)),
    stop=stop_after_delay(120),
    wait=wait_fixed(0.1),
    reraise=True,
)


def is_worker(process: psutil.Process) -> bool:
    """Whether a child of a supervisor lives, and serves or is about to."""
    try:
        return process.status() != "zombie" and "--multiprocessing-fork" in process.cmdline()
    except psutil.Error:
        return False


@dataclass(frozen=True)
class Running:
    """A service of two processes: where it listens, and its supervisor."""

    url: str
    supervisor: psutil.Process

    def workers(self) -> list[int]:
        """Process ids of the workers that live."""
        return [one.pid for one in self.supervisor.children() if is_worker(one)]

    def get(self, path: str) -> httpx.Response:
        """An answer of whichever process takes a new connection."""
        return httpx.get(f"{self.url}{path}", timeout=60)

    def figure(self, name: str, **labels: str) -> float:
        """A figure of all processes together."""
        return figure(self.get("/metrics").text, name, **labels)


@pytest.fixture
def running(copied: Settings) -> Iterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = {"CROSSMODAL_HOME": str(copied.home), "CROSSMODAL_ID_KEY": "a key for tests"}
    command = [sys.executable, "-m", "orchestration.cli", "serve", "--port", str(port)]
    process = subprocess.Popen([*command, "--workers", "2"], env={**os.environ, **home})
    service = Running(f"http://127.0.0.1:{port}", psutil.Process(process.pid))
    try:
        ready(service.url)
        both_answer(service)
        yield service
    finally:
        process.terminate()
        process.wait(60)


@patiently
def both_answer(service: Running) -> None:
    assert service.figure("crossmodal_champion_workers") == 2


def promoted(service: Running, version: str) -> Callable[[], None]:
    @patiently
    def everywhere() -> None:
        assert service.figure("crossmodal_champion_workers", model_version=version) == 2

    return everywhere


@pytest.mark.faults
def test_an_event_counts_in_every_process_and_a_kill_loses_nothing(
    running: Running, copied: Settings
) -> None:
    path = "/v1/users/ada/recommendations?k=5"
    first = running.get(path).json()["items"][0]["item_id"]
    like = {"user_id": "ada", "item_id": first, "type": "like"}
    url = f"{running.url}/v1/events"
    assert httpx.post(url, json={**like, "event_id": "e1"}, timeout=60).json()["new"] == 1
    for _ in range(20):
        assert first not in [item["item_id"] for item in running.get(path).json()["items"]]
    asked = running.figure("crossmodal_answers_total")
    assert asked == 21, "the figures are of both processes"
    victim = running.workers()[0]
    os.kill(victim, signal.SIGKILL)
    patiently(lambda: running.get(path).raise_for_status())()
    both_answer(running)
    assert victim not in running.workers()
    assert running.figure("crossmodal_answers_total") > asked, "what the dead one counted stays"
    assert httpx.post(url, json={**like, "event_id": "e1"}, timeout=60).json()["new"] == 0
    rows = [row for rows in read_log(Workspace(copied).paths.event_log, 1000) for row in rows]
    assert [row[1] for row in rows] == ["e1"]


def another(running: Running, *others: int) -> int:
    """A process of the service besides some, once it has been started."""

    @patiently
    def found() -> int:
        new = set(running.workers()) - set(others)
        assert len(new) == 1
        return new.pop()

    return found()


@pytest.mark.faults
def test_kills_of_starting_processes_do_not_end_a_service_that_answers(running: Running) -> None:
    kept, victim = running.workers()
    for _ in range(4):
        os.kill(victim, signal.SIGKILL)
        victim = another(running, kept, victim)
    both_answer(running)
    assert running.supervisor.is_running() and kept in running.workers()


@pytest.mark.faults
def test_kills_of_all_processes_before_they_serve_do_not_end_the_service(running: Running) -> None:
    for _ in range(4):
        known = running.workers()
        for victim in known:
            os.kill(victim, signal.SIGKILL)
        restarted(running, known)
    both_answer(running)
    assert running.supervisor.is_running()


@patiently
def restarted(running: Running, known: list[int]) -> None:
    new = set(running.workers()) - set(known)
    assert len(new) == 2


def test_a_promotion_reaches_every_process_and_all_end_with_their_supervisor(
    running: Running, copied: Settings
) -> None:
    registry = ModelRegistry(Workspace(copied).paths.models)
    other = next(one.version for one in registry.versions() if one.name == "ease-user-temporal")
    registry.promote(other)
    promoted(running, other)()
    for _ in range(10):
        assert running.get("/readyz").json()["model_version"] == other
    workers = [psutil.Process(pid) for pid in running.workers()]
    assert len(workers) == 2
    running.supervisor.kill()
    _, left = psutil.wait_procs(workers, timeout=60)
    assert not left
    with pytest.raises(httpx.ConnectError):
        running.get("/healthz")

"""`feast serve` and `feast ui` in the folder, asked over HTTP."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from feature_lake import copy_home  # type: ignore[import-not-found]
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from crossmodal.paths import StatePaths
from feature_repo import home_repo, store

pytestmark = pytest.mark.slow

FEAST = Path(sys.executable).with_name("feast")


@dataclass(frozen=True)
class Server:
    """A running server: its process, an HTTP client for it, and what it prints."""

    process: "subprocess.Popen[bytes]"
    client: httpx.Client
    log: Path

    @retry(
        retry=retry_if_exception_type(httpx.TransportError),
        wait=wait_fixed(0.2),
        stop=stop_after_delay(180),
        reraise=True,
    )
    def get(self, path: str) -> httpx.Response:
        """Asks until the server, which needs seconds to start, answers at all."""
        assert self.process.poll() is None, self.log.read_text()
        return self.client.get(path).raise_for_status()


@pytest.fixture(scope="module")
def served(filled: StatePaths, tmp_path_factory: pytest.TempPathFactory) -> StatePaths:
    """The default home of a copy of the folder, filled."""
    checkout = tmp_path_factory.mktemp("served")
    shutil.copytree(home_repo.REPO, checkout / "feature_repo")
    paths: StatePaths = copy_home(filled, checkout / ".crossmodal")
    return paths


@pytest.fixture(scope="module")
def servers(served: StatePaths) -> Iterator[Mapping[str, Server]]:
    """Both servers, started together; none outlives the module."""
    checkout = served.home.parent
    with ExitStack() as stack:
        yield {
            command: stack.enter_context(running(command, port, checkout))
            for command, port in zip(("serve", "ui"), free_ports(2), strict=True)
        }


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def running(command: str, port: int, checkout: Path) -> Iterator[Server]:
    log = checkout / f"{command}.log"
    with (
        log.open("wb") as output,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client,
        subprocess.Popen(
            [FEAST, command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=checkout / "feature_repo",
            env={**os.environ, "PYTHONPATH": f"{checkout}{os.pathsep}{home_repo.REPO.parent}"},
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield Server(process, client, log)
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.mark.parametrize("service", ["ranking", "retrieval", "recommendations"])
def test_the_feature_server_answers_what_the_store_answers(
    servers: Mapping[str, Server], served: StatePaths, service: str
) -> None:
    keys = {"user_id": ["u1", "new_user", "nobody"]}
    if service != "recommendations":
        keys["item_id"] = ["i1", "i39", "nothing"]
    server = servers["serve"]
    server.get("/health")
    answer = server.client.post(
        "/get-online-features",
        json={"feature_service": service, "entities": keys, "full_feature_names": True},
    ).raise_for_status()
    names = answer.json()["metadata"]["feature_names"]
    columns = [column["values"] for column in answer.json()["results"]]
    expected = store.online(served, keys, service)
    assert any(value is not None for value in expected[names[-1]])
    assert dict(zip(names, columns, strict=True)) == {
        name: [as_json(value) for value in values] for name, values in expected.items()
    }


def as_json(value: Any) -> Any:
    """Feast's server writes an instant as whole seconds since 1970."""
    return int(value.timestamp()) if isinstance(value, datetime) else value


def test_the_ui_shows_the_views(servers: Mapping[str, Server], served: StatePaths) -> None:
    server = servers["ui"]
    assert "<title>Feast" in server.get("/").text
    listed = server.get("/api/v1/feature_views?project=crossmodal&limit=100").json()
    views = store.open_store(served).list_feature_views()
    names = sorted(view["spec"]["name"] for view in listed["featureViews"])
    assert names == sorted(view.name for view in views)

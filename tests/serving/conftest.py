"""The service on a home of its own, asked as an app would ask it."""

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from crossmodal.settings import Settings
from serving.app import create_app


@pytest.fixture
def copied(copied: Settings) -> Settings:
    """A home whose service is patient: a busy machine must not look like a broken stage."""
    budgets = [name for name in Settings.model_fields if name.startswith("serve_")]
    budgets = [name for name in budgets if name.endswith("_seconds")]
    return copied.model_copy(update=dict.fromkeys(budgets, 60.0))


@pytest.fixture
def client(copied: Settings) -> Iterator[TestClient]:
    """A client of a running service."""
    with TestClient(create_app(copied), raise_server_exceptions=False) as running:
        yield running


@pytest.fixture
def url(copied: Settings) -> Iterator[str]:
    """Where a service on a home of its own listens."""
    server = uvicorn.Server(uvicorn.Config(create_app(copied), log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        place = f"http://127.0.0.1:{listening.getsockname()[1]}"
        ready(place)
        yield place
        server.should_exit = True
        thread.join()


@retry(
    retry=retry_if_exception_type(httpx.HTTPError),
    stop=stop_after_delay(180),
    wait=wait_fixed(0.1),
)
def ready(url: str) -> None:
    """Returns once a service answers."""
    httpx.get(f"{url}/readyz", timeout=60).raise_for_status()

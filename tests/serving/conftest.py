"""The service on a home, asked as an app would ask it."""

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient
from small_platform import small_settings
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from crossmodal.settings import Settings
from orchestration.run import RunSummary
from serving.app import create_app

TEST_CLIENT = "testserver"
"""The host that Starlette's client asks for."""


def patient(settings: Settings) -> Settings:
    """A service that waits: a busy machine must not look like a broken stage."""
    budgets = [name for name in Settings.model_fields if name.startswith("serve_")]
    budgets = [name for name in budgets if name.endswith("_seconds")]
    changed = {**dict.fromkeys(budgets, 60.0), "serve_allowed_hosts": (TEST_CLIENT,)}
    return settings.model_copy(update=changed)


@pytest.fixture(scope="session", autouse=True)
def known_to_the_test_client() -> Iterator[None]:
    """A service that a test makes of settings of its own answers the test client too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSMODAL_SERVE_ALLOWED_HOSTS", f'["{TEST_CLIENT}"]')
        yield


@pytest.fixture
def copied(copied: Settings) -> Settings:
    """A home whose service is patient."""
    return patient(copied)


@pytest.fixture(scope="module")
def kept(
    finished: tuple[Settings, RunSummary], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """A home that the tests of a module share, because none of them changes what it answers."""
    home = tmp_path_factory.mktemp("kept") / "home"
    return patient(small_settings(shutil.copytree(finished[0].home, home)))


@pytest.fixture
def client(copied: Settings) -> Iterator[TestClient]:
    """A client of a service of the test's own."""
    with client_of(copied) as running:
        yield running


@pytest.fixture(scope="module")
def asking(kept: Settings) -> Iterator[TestClient]:
    """A client of the module's service, for tests that report, put and delete nothing."""
    with client_of(kept) as running:
        yield running


@pytest.fixture
def url(copied: Settings) -> Iterator[str]:
    """Where a service of the test's own listens."""
    with listening(copied) as place:
        yield place


@pytest.fixture(scope="module")
def kept_url(kept: Settings) -> Iterator[str]:
    """Where the module's service listens, for tests that report, put and delete nothing."""
    with listening(kept) as place:
        yield place


def client_of(settings: Settings) -> TestClient:
    """A client whose service runs inside its `with` block."""
    return TestClient(create_app(settings), raise_server_exceptions=False)


@contextmanager
def listening(settings: Settings) -> Iterator[str]:
    """A service on a free port for the block."""
    server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        place = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            ready(place)
            yield place
        finally:
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

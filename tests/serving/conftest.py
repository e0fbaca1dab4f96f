"""The service on a home of its own, asked as an app would ask it."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from crossmodal.settings import Settings
from serving.app import create_app


@pytest.fixture
def client(copied: Settings) -> Iterator[TestClient]:
    """A client of a running service."""
    with TestClient(create_app(copied), raise_server_exceptions=False) as running:
        yield running

"""Whether the service is ready, as a load balancer asks it."""

import sqlite3
from contextlib import closing

import pytest
from fastapi.testclient import TestClient
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from serving.keys import KeyRing

pytestmark = pytest.mark.slow


def test_who_cannot_keep_events_is_not_ready(
    client: TestClient, copied: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    @retry(
        retry=retry_if_exception_type(AssertionError),
        stop=stop_after_delay(60),
        wait=wait_fixed(0.1),
        reraise=True,
    )
    def answers(status: int) -> str:
        answer = client.get("/readyz")
        assert answer.status_code == status
        return answer.text

    answers(200)
    path = Workspace(copied).paths.event_log
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused = answers(503)
        answers(503)
        other.execute("ROLLBACK")
    assert "Events cannot be written" in refused and "locks the file" in refused
    assert str(copied.home) not in refused
    answers(200)
    lines = [one.getMessage() for one in caplog.records if str(path) in one.getMessage()]
    assert "cannot be written" in lines[0] and "again" in lines[-1]


def test_who_cannot_read_the_keys_is_not_ready(client: TestClient, copied: Settings) -> None:
    path = Workspace(copied).paths.api_keys
    KeyRing(path).add("shop", ["read"])
    assert client.get("/readyz").status_code == 200
    path.write_text("{")
    refused = client.get("/readyz")
    assert refused.status_code == 503 and str(copied.home) not in refused.text

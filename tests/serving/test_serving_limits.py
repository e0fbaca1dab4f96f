"""How often a key may ask, whichever process it asks."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from crossmodal.settings import Settings
from serving.app import create_app
from serving.keys import KeyRing
from serving.rate_limit import RateLimit


def test_processes_share_the_bucket_of_a_key(tmp_path: Path) -> None:
    one, other = (RateLimit(tmp_path / "limits.db", 0.01, 3) for _ in range(2))
    assert [one.wait("shop"), other.wait("shop"), one.wait("shop")] == [0.0, 0.0, 0.0]
    assert 0 < other.wait("shop") <= 100 and 0 < one.wait("shop") <= 100
    assert other.wait("another") == 0.0
    one.close()
    other.close()


def test_a_bucket_fills_again(tmp_path: Path) -> None:
    limit = RateLimit(tmp_path / "limits.db", 20, 1)
    assert limit.wait("shop") == 0.0

    @retry(
        retry=retry_if_result(lambda wait: wait > 0),
        stop=stop_after_delay(10),
        wait=wait_fixed(0.02),
    )
    def taken() -> float:
        return limit.wait("shop")

    assert taken() == 0.0
    limit.close()


def test_a_clock_that_was_set_back_neither_locks_a_key_out_nor_lifts_its_limit(
    tmp_path: Path,
) -> None:
    file = tmp_path / "limits.db"
    limit = RateLimit(file, 0.01, 2)
    assert limit.wait("shop") == 0.0
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE turns SET due = due + 86400")
    assert [limit.wait("shop"), limit.wait("shop")] == [0.0, 0.0]
    assert 0 < limit.wait("shop") <= 100
    limit.close()


def test_a_limit_that_cannot_be_kept_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "limits.db").write_bytes(b"no database, but a long enough text to be one" * 100)
    assert RateLimit(tmp_path / "limits.db", 1, 1).wait("shop") == 0.0


@pytest.mark.slow
def test_a_key_that_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path / "home", id_key="a key for tests", serve_key_rate=0.01, serve_key_burst=2
    )
    with TestClient(create_app(settings)) as client:
        for _ in range(5):
            assert client.get("/v1/items").status_code == 503, "without keys there is no limit"
        ring = KeyRing(tmp_path / "home" / "serving" / "keys.json")
        shop, other = (
            {"Authorization": f"Bearer {ring.add(name, ['read'])}"} for name in ("shop", "other")
        )
        for _ in range(2):
            assert client.get("/v1/items", headers=shop).status_code == 503
        refused = client.get("/v1/items", headers=shop)
        assert refused.status_code == 429 and 0 < int(refused.headers["Retry-After"]) <= 100
        assert refused.headers["content-type"] == "application/problem+json"
        assert client.get("/v1/items", headers=other).status_code == 503
        assert client.get("/healthz", headers=shop).status_code == 200

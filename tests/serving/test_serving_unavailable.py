"""What cannot be answered now: callers hear of it without paths, and the log names the file."""

import shutil
from io import BytesIO
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from models.registry import ModelRegistry

pytestmark = pytest.mark.slow
NO_FILE = b"none of the kind that it should be" * 500


@pytest.fixture
def paths(copied: Settings) -> StatePaths:
    return StatePaths(copied.home)


def require_for_the_log_alone(
    answer: Any, file: str, paths: StatePaths, caplog: pytest.LogCaptureFixture
) -> None:
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert str(paths.home) not in answer.text and "log" in answer.json()["detail"]
    assert file in caplog.text


def test_features_of_a_damaged_store(
    client: TestClient, paths: StatePaths, caplog: pytest.LogCaptureFixture
) -> None:
    paths.online_store.write_bytes(NO_FILE)
    answer = client.get("/v1/features/recommendations/ada")
    require_for_the_log_alone(answer, str(paths.online_store), paths, caplog)


def test_an_item_of_a_damaged_lake(
    client: TestClient, paths: StatePaths, caplog: pytest.LogCaptureFixture
) -> None:
    item = client.get("/v1/items", params={"k": 1}).json()["items"][0]["item_id"]
    (paths.lake / "items.parquet").unlink()
    answer = client.get(f"/v1/items/{item}")
    require_for_the_log_alone(answer, "items", paths, caplog)


def test_a_picture_that_cannot_be_kept(
    client: TestClient, paths: StatePaths, caplog: pytest.LogCaptureFixture
) -> None:
    item = client.get("/v1/items", params={"k": 1}).json()["items"][0]["item_id"]
    picture = BytesIO()
    Image.new("RGB", (64, 64), "red").save(picture, "PNG")
    shutil.rmtree(paths.uploads, ignore_errors=True)
    paths.uploads.write_text("a file where a folder should be")
    answer = client.put(f"/v1/items/{item}/media/image", content=picture.getvalue())
    require_for_the_log_alone(answer, str(paths.uploads), paths, caplog)
    assert "not permitted" in answer.json()["detail"], "why, in words"


def test_a_champion_that_cannot_be_loaded(
    client: TestClient, paths: StatePaths, caplog: pytest.LogCaptureFixture
) -> None:
    watch = client.app.state.service.champions  # type: ignore[attr-defined]
    version = ModelRegistry(paths.models).champion()
    assert version is not None
    (paths.models / version / "weights.safetensors").unlink()
    watch._current = None
    watch.look()
    answer = client.get("/v1/items")
    assert answer.status_code == 503 and version in answer.json()["detail"]
    assert str(paths.home) not in answer.text
    assert str(paths.models) in caplog.text

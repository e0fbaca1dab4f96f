"""Feast's own command line in the folder, as a person would use it."""

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest
from feature_lake import NOW, fill_lake  # type: ignore[import-not-found]
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from crossmodal.paths import StatePaths
from feature_repo import store

pytestmark = pytest.mark.slow

FEAST = Path(sys.executable).with_name("feast")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the folder whose default home, beside it, is full."""
    root = tmp_path_factory.mktemp("checkout")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(store.REPO, root / "feature_repo", ignore=ignore)
    fill_lake(root / ".crossmodal")
    return root


@pytest.fixture(scope="module")
def environment(checkout: Path) -> Mapping[str, str]:
    return {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}


def feast(checkout: Path, environment: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [FEAST, *arguments],
        cwd=checkout / "feature_repo",
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_plan_apply_materialize_and_list(checkout: Path, environment: Mapping[str, str]) -> None:
    from feast import FeatureStore

    assert "Created feature view item_text_embedding" in feast(checkout, environment, "plan")
    feast(checkout, environment, "apply")
    assert "No changes to registry" in feast(checkout, environment, "plan")
    feast(checkout, environment, "materialize-incremental", NOW.strftime("%Y-%m-%dT%H:%M:%S"))
    listed = feast(checkout, environment, "feature-views", "list")
    assert listed.count("AVAILABLE_ONLINE") == 13
    answer = store.online(
        StatePaths(checkout / ".crossmodal"),
        {"user_id": ["new_user"]},
        "recommendations",
        FeatureStore(repo_path=str(checkout / "feature_repo")),
    )
    assert answer["user_recommendations__model_version"] == ["first"]


def test_feast_reads_one_file_of_the_folder() -> None:
    from feast.repo_operations import get_repo_files

    assert [path.name for path in get_repo_files(store.REPO)] == ["definitions.py"]


@pytest.mark.parametrize(("command", "path"), [("ui", "/"), ("serve", "/health")])
def test_servers_answer(
    checkout: Path, environment: Mapping[str, str], command: str, path: str
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [FEAST, command, "--host", "127.0.0.1", "--port", str(port)],
        cwd=checkout / "feature_repo",
        env=dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert _status(f"http://127.0.0.1:{port}{path}") == 200
    finally:
        server.terminate()
        server.wait(timeout=30)


@retry(retry=retry_if_exception_type(OSError), wait=wait_fixed(0.5), stop=stop_after_delay(120))
def _status(address: str) -> int:
    with urllib.request.urlopen(address, timeout=5) as answer:
        status: int = answer.status
        return status

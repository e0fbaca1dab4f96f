"""A way back while the service answers: every answer is of the former champion within seconds."""

import httpx
import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed
from typer.testing import CliRunner

from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.registry import ModelRegistry
from orchestration.cli import app

pytestmark = pytest.mark.slow

USERS = ("ada", "berta", "carl")


def answered_by(url: str) -> set[str]:
    """The versions that the lists of some users are of."""
    paths = [f"{url}/v1/users/{user}/recommendations?k=5" for user in USERS]
    answers = [httpx.get(path, timeout=60).raise_for_status().json() for path in paths]
    assert {answer["path"] for answer in answers} == {"champion"}
    return {answer["model_version"] for answer in answers}


@retry(
    retry=retry_if_exception_type(AssertionError),
    stop=stop_after_delay(120),
    wait=wait_fixed(0.1),
    reraise=True,
)
def all_answers_are_of(url: str, version: str) -> None:
    assert answered_by(url) == {version}


def by_hand(*arguments: str) -> None:
    result = CliRunner().invoke(app, [*arguments, "--reason", "odd lists"])
    assert result.exit_code == 0, result.output


def test_a_rollback_reaches_a_running_service_and_no_request_fails(
    url: str, copied: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSMODAL_HOME", str(copied.home))
    monkeypatch.setenv("CROSSMODAL_ID_KEY", "a key for tests")
    registry = ModelRegistry(Workspace(copied).paths.models)
    former = registry.champion() or ""
    other = next(one.version for one in registry.versions() if one.name == "ease-user-temporal")
    assert answered_by(url) == {former}
    by_hand("promote", other)
    all_answers_are_of(url, other)
    by_hand("rollback")
    all_answers_are_of(url, former)
    for _ in range(5):
        assert answered_by(url) == {former}, "none is of the version that was left"
    assert httpx.get(f"{url}/readyz", timeout=60).json()["model_version"] == former

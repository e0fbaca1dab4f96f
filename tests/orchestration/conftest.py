"""One small run of the whole platform, shared by the tests that only read it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_platform import small_settings

from crossmodal.settings import Settings
from orchestration.run import RunSummary, run_pipeline


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, RunSummary]:
    """A home after one run, and what that run did."""
    settings = small_settings(tmp_path_factory.mktemp("platform") / "home")
    return settings, run_pipeline(settings)


@pytest.fixture
def copied(finished: tuple[Settings, RunSummary], tmp_path: Path) -> Iterator[Settings]:
    """A copy of the finished home, for tests that change it."""
    settings, _ = finished
    home = tmp_path / "home"
    shutil.copytree(settings.home, home)
    yield small_settings(home)

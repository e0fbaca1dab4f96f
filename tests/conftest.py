"""Fixtures shared by all tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from small_platform import small_settings

from crossmodal.settings import Settings

if TYPE_CHECKING:
    from orchestration.run import RunSummary


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data that lies beside the checkout; a user's clone does not have it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data beside the checkout (../shared/data) is absent")
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, "RunSummary"]:
    """A home after one run of the whole platform, for tests that only read it."""
    from orchestration.run import run_pipeline

    settings = small_settings(tmp_path_factory.mktemp("platform") / "home")
    return settings, run_pipeline(settings)


@pytest.fixture
def copied(finished: tuple[Settings, "RunSummary"], tmp_path: Path) -> Iterator[Settings]:
    """A copy of the finished home, for tests that change it."""
    settings, _ = finished
    home = tmp_path / "home"
    shutil.copytree(settings.home, home)
    yield small_settings(home)

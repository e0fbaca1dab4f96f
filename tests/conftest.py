"""Fixtures shared by all tests."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock
from hypothesis import settings as hypothesis_settings
from small_platform import small_settings

from crossmodal.settings import Settings

if TYPE_CHECKING:
    from orchestration.run import RunSummary

# A busy machine must not look like a wrong answer.
hypothesis_settings.register_profile("any machine", deadline=None)
hypothesis_settings.load_profile("any machine")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data that lies beside the checkout; a user's clone does not have it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data beside the checkout (../shared/data) is absent")
    return folder


@pytest.fixture(scope="session")
def encoders_once() -> Iterator[None]:
    """Encoders are loaded once a process, whatever the number of homes and services."""
    from models.encoders import factory

    with pytest.MonkeyPatch.context() as patch:
        for name in ("load_text_encoder", "load_media_encoder"):
            patch.setattr(factory, name, loaded_once(getattr(factory, name)))
        yield


def loaded_once(load: Callable[..., Any]) -> Callable[..., Any]:
    """A loader that answers with the same encoder for the same settings.

    The folder of weights is not among them: in every home it holds the published ones.
    """
    loaded: dict[object, Any] = {}

    def loader(*which: str, weights: Path, **chosen: Any) -> Any:
        key = which, frozenset(chosen.items())
        if key not in loaded:
            loaded[key] = load(*which, weights=weights, **chosen)
        return loaded[key]

    return loader


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, encoders_once: None
) -> tuple[Settings, "RunSummary"]:
    """A home after one run of the whole platform, fully evaluated, for tests that only read it.

    The processes of pytest-xdist share it: the first that needs it makes it.
    """
    from orchestration.run import RunSummary, run_pipeline

    own = tmp_path_factory.getbasetemp()
    folder = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    settings = small_settings(folder / "platform" / "home")
    fully = settings.model_copy(update={"evaluation": "full"})
    told = folder / "platform.json"
    with FileLock(folder / "platform.lock"):
        if not told.is_file():
            told.write_text(json.dumps(asdict(run_pipeline(fully))))
    summary = json.loads(told.read_text())
    lists = {name: tuple(summary[name]) for name in ("made", "kept")}
    return settings, RunSummary(**{**summary, **lists})


@pytest.fixture
def copied(finished: tuple[Settings, "RunSummary"], tmp_path: Path) -> Settings:
    """A copy of the finished home, for tests that change it."""
    return small_settings(shutil.copytree(finished[0].home, tmp_path / "home"))

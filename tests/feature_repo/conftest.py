"""Homes that the feature store's tests share: one is filled, the others are copies of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from feast import FeatureStore
from feature_lake import NOW, copy_home, fill_lake  # type: ignore[import-not-found]
from push_home import fill  # type: ignore[import-not-found]

from crossmodal.paths import StatePaths
from feature_repo.materialize import materialize_fresh
from feature_repo.store import apply_definitions, close_store


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> StatePaths:
    """A home with every table, applied and materialized as of `NOW`. Read it; never change it."""
    paths: StatePaths = fill_lake(tmp_path_factory.mktemp("filled") / "home")
    apply_definitions(paths)
    materialize_fresh(paths, None, NOW, stamp={"text": "1", "lists": "1"})
    return paths


@pytest.fixture
def changeable(filled: StatePaths, tmp_path: Path) -> StatePaths:
    """A test's own copy of the filled home."""
    copy: StatePaths = copy_home(filled, tmp_path / "home")
    return copy


@pytest.fixture
def unmaterialized(filled: StatePaths, tmp_path: Path) -> StatePaths:
    """A test's own copy of the filled lake, with no store."""
    copy = StatePaths(tmp_path / "home")
    shutil.copytree(filled.lake, copy.lake)
    return copy


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> tuple[StatePaths, Path]:
    """A filled home, in the place where each test has it, and a copy of what was there."""
    place = tmp_path_factory.mktemp("push")
    paths: StatePaths = fill(place / "home")
    shutil.copytree(paths.home, place / "kept")
    return paths, place / "kept"


@pytest.fixture
def paths(origin: tuple[StatePaths, Path]) -> StatePaths:
    """The home as it was filled: the registry names its tables by path."""
    found, kept = origin
    shutil.rmtree(found.home)
    shutil.copytree(kept, found.home)
    return found


@pytest.fixture
def app(paths: StatePaths) -> Iterator[FeatureStore]:
    """What an app with Feast alone opens."""
    store = FeatureStore(repo_path=str(paths.feast))
    yield store
    close_store(store)

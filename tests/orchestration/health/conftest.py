"""A home in which all is well."""

from pathlib import Path

import polars as pl
import pytest
from health_homes import DATED, make
from small_platform import small_settings

from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from orchestration.instance import open_instance


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return small_settings(tmp_path / "home", unattended_free_gb=0)


@pytest.fixture
def workspace(settings: Settings) -> Workspace:
    """A home with every table that matters, as far as Dagster knows."""
    made = Workspace(settings)
    made.lake.write("items", pl.DataFrame({"item_id": ["a"]}), {})
    with open_instance(made.paths) as instance:
        make(instance, *DATED)
    return made

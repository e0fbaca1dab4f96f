"""Splits that are put together once: the same as from the lake, and made again where need be."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pytest

from assets.assembled_splits import assembled_split
from assets.datasets import split_data
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.persistence import WEIGHTS
from models.splits.names import RANKED_SPLITS, USER_TEMPORAL
from orchestration.run import RunSummary

Finished = tuple[Settings, RunSummary]
pytestmark = pytest.mark.slow


def assert_same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if is_dataclass(one):
        for field in fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype and one.flags.writeable
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for name in one:
            assert_same(one[name], other[name])
    else:
        assert one == other


@pytest.mark.parametrize("split", RANKED_SPLITS)
def test_a_split_that_is_kept_is_the_one_of_the_lake(copied: Settings, split: str) -> None:
    workspace = Workspace(copied)
    (kept,) = (workspace.paths.assembled / split).iterdir()
    assert_same(assembled_split(workspace, split), split_data(workspace.lake, split))
    assert [*(workspace.paths.assembled / split).iterdir()] == [kept]


def test_a_damaged_split_is_put_together_once_more(
    copied: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = Workspace(copied)
    (kept,) = (workspace.paths.assembled / USER_TEMPORAL).iterdir()
    content = (kept / WEIGHTS).read_bytes()
    (kept / WEIGHTS).write_bytes(content[: len(content) // 2])
    assert_same(
        assembled_split(workspace, USER_TEMPORAL), split_data(workspace.lake, USER_TEMPORAL)
    )
    assert (kept / WEIGHTS).read_bytes() == content
    assert "put together once more" in caplog.text


def test_many_who_find_the_same_damage_at_once_all_get_the_split(copied: Settings) -> None:
    workspace, many = Workspace(copied), 8
    (kept,) = (workspace.paths.assembled / USER_TEMPORAL).iterdir()
    (kept / WEIGHTS).write_bytes(b"damaged")
    with ThreadPoolExecutor(many) as pool:
        found = list(pool.map(partial(assembled_split, workspace), [USER_TEMPORAL] * many))
    for one in found:
        assert_same(one, split_data(workspace.lake, USER_TEMPORAL))
    assert [*(workspace.paths.assembled / USER_TEMPORAL).iterdir()] == [kept]


def test_a_split_of_other_events_takes_the_place_of_the_former_one(copied: Settings) -> None:
    workspace = Workspace(copied)
    place, lake = workspace.paths.assembled / USER_TEMPORAL, workspace.lake
    (former,) = place.iterdir()
    mapped = assembled_split(workspace, USER_TEMPORAL).dataset.train
    before, version = mapped.values.sum(), lake.version("splits")
    doubled = lake.read("splits").with_columns(pl.col("value") * 2)
    lake.write("splits", doubled, version.stamp, **version.summary)
    assert assembled_split(workspace, USER_TEMPORAL).dataset.train.values.sum() == 2 * before
    (newer,) = place.iterdir()
    assert newer != former
    assert mapped.values.sum() == before

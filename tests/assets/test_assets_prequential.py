"""Which events judge the version that answers: those newer than all that it learned from, once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from small_platform import small_settings

from assets.prequential import PREQUENTIAL, prequential_evaluation
from assets.registry import open_promotions, open_registry
from crossmodal.workspace import Workspace
from models.assembly import dataset, indexed_events
from models.baselines import Popularity

ITEMS = ["a", "b", "c"]
START = datetime(2026, 3, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


def events(*rows: tuple[str, str, int]) -> pl.DataFrame:
    """Likes of users on items, so many hours after the start."""
    columns = {"user_id": pl.String, "item_id": pl.String, "hours": pl.Int64}
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    at = pl.lit(START) + pl.duration(hours="hours")
    return frame.select(
        "user_id", "item_id", value=pl.lit(1.0, pl.Float32), event_timestamp=at
    ).cast({"event_timestamp": pl.Datetime("us", "UTC")})


KNOWN = events(("ada", "a", 0), ("bob", "b", 1))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A home whose popular list was fitted to the known events, and answers."""
    workspace = Workspace(small_settings(tmp_path / "home"))
    workspace.lake.write("items", pl.DataFrame({"item_id": ITEMS}), {})
    log = indexed_events(KNOWN, ITEMS, seed=1)
    everything = np.ones(len(KNOWN), dtype=bool)
    version = open_registry(workspace).add(
        "popularity-all-events",
        Popularity().fit(dataset(log, everything, ~everything, {})),
        metrics=[],
        data_versions={},
        stamp={},
        git_commit="",
        item_ids=ITEMS,
        newest_event=START + _HOUR,
    )
    open_promotions(workspace).promote(version.version, by="gate", reason="the only one")
    return workspace


def measured(workspace: Workspace, log: pl.DataFrame) -> list[tuple[float, float, int]]:
    """What a run with these events adds up to: since and until in hours, and how many events."""
    workspace.lake.write("interactions/2026-03", log, {})
    dg.materialize([prequential_evaluation], resources={"workspace": workspace})
    rows = workspace.lake.read(PREQUENTIAL).select("since", "until", "events").rows()
    return [((since - START) / _HOUR, (until - START) / _HOUR, n) for since, until, n in rows]


def test_each_newer_event_judges_once_and_a_late_one_never(workspace: Workspace) -> None:
    assert measured(workspace, KNOWN) == []
    late = pl.concat([KNOWN, events(("cid", "a", 1), ("dee", "c", 0))])
    assert measured(workspace, late) == [], "an event of the newest instant known is not newer"
    second = pl.concat([late, events(("ada", "c", 3), ("cid", "b", 3))])
    assert measured(workspace, second) == [(1, 3, 2)]
    third = pl.concat([second, events(("ada", "b", 5), ("dee", "a", 2))])
    assert measured(workspace, third) == [(1, 3, 2), (3, 5, 1)], "no version was fitted since"


def test_rows_of_a_source_that_is_no_longer_read_hide_no_event(workspace: Workspace) -> None:
    assert measured(workspace, pl.concat([KNOWN, events(("ada", "c", 99))])) == [(1, 99, 1)]
    assert measured(workspace, pl.concat([KNOWN, events(("bob", "c", 4))]))[1:] == [(1, 4, 1)]

"""Click-through as a run makes it, of what apps have reported."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
from small_platform import small_settings

from assets.click_through import click_through
from crossmodal.answer_ids import answer_id
from crossmodal.workspace import Workspace

START = datetime(2026, 3, 1, tzinfo=UTC)


def test_after_many_nights_the_latest_versions_are_shown_and_the_table_has_all(
    tmp_path: Path,
) -> None:
    workspace = Workspace(small_settings(tmp_path / "home"))
    nights = [
        {
            "event_type": "impression",
            "user_id": "ada",
            "item_id": item,
            "value": None,
            "request_id": answer_id(f"ease-all-events-{night}", "champion"),
            "rank": None,
            "event_timestamp": START + timedelta(days=night),
        }
        for night in range(30)
        for item in "abc"
    ]
    schema = {"value": pl.Float64, "rank": pl.Int32}
    workspace.lake.write("reported_events", pl.DataFrame(nights, schema_overrides=schema), {})
    done = dg.materialize([click_through], resources={"workspace": workspace})
    (event,) = done.get_asset_materialization_events()
    shown = event.materialization.metadata
    assert shown["answered_by"].value == "ease-all-events-29" and shown["rate"].value == 0
    preview = str(shown["by_version"].value)
    assert "ease-all-events-10" in preview and "ease-all-events-9" not in preview
    assert workspace.lake.read("click_through")["answered_by"].n_unique() == 30

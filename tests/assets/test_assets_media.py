"""Media of items that apps put: their files may go while a run works."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from media_files import encoded, picture
from small_platform import small_settings

from assets.media import media
from assets.reported_items import copy_items
from crossmodal.item_log import ItemLog
from crossmodal.workspace import Workspace

RAW = {
    "item_id": pl.String,
    "modality": pl.String,
    "uri": pl.String,
    "bytes": pl.Int64,
    "sha256": pl.String,
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(small_settings(tmp_path / "home"))
    made.lake.write("raw_media", pl.DataFrame(schema=RAW), {})
    return made


@pytest.fixture
def log(workspace: Workspace) -> Iterator[ItemLog]:
    with closing(ItemLog(workspace.paths.item_log, workspace.paths.uploads)) as opened:
        yield opened


def put_picture(log: ItemLog, width: int) -> None:
    data = encoded(picture(width), "PNG")
    log.put_media("a", "image", "image/png", data, {}, known=True)


def make(workspace: Workspace, title: str) -> dict[str, object]:
    """The item's picture as a run finds it after the words of the catalogue have changed."""
    workspace.lake.write("items", pl.DataFrame({"item_id": ["a"], "title": [title]}), {})
    assert dg.materialize([media], resources={"workspace": workspace}).success
    return workspace.lake.read("media").row(by_predicate=pl.col("modality") == "image", named=True)


def test_a_file_that_an_app_has_replaced_since_ends_no_run(
    workspace: Workspace, log: ItemLog
) -> None:
    put_picture(log, 60)
    copy_items(workspace.lake, workspace.paths.item_log, {})
    first = make(workspace, "first")
    assert first["status"] == "ok" and (workspace.paths.pictures / "posters.png").is_file()
    put_picture(log, 70)
    assert make(workspace, "second") == first, "what was inspected before stays as it is"
    assert not (workspace.paths.pictures / "posters.png").exists()
    copy_items(workspace.lake, workspace.paths.item_log, {})
    assert make(workspace, "third")["uri"] != first["uri"]
    assert (workspace.paths.pictures / "posters.png").is_file()

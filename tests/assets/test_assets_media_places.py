"""Files of the source and of apps, each found below its own root."""

from pathlib import Path

import polars as pl
import pytest
from small_platform import small_settings

from assets.encoding import MediaFolderError, files_to_features
from assets.media_places import MediaPlaces
from assets.source_listing import source_of
from crossmodal.modalities import modality_of
from crossmodal.uploads import UPLOADED
from crossmodal.workspace import Workspace
from models.media import MediaError
from sources.protocol import SourceError


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(small_settings(tmp_path / "home"))


def rows(*uris: str) -> pl.DataFrame:
    return pl.DataFrame({"item_id": [f"i{n}" for n in range(len(uris))], "uri": list(uris)})


def upload(workspace: Workspace, name: str) -> Path:
    file = workspace.paths.uploads / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"picture")
    return file


def test_each_row_is_below_one_root(workspace: Workspace) -> None:
    root = source_of(workspace).root
    root.mkdir(parents=True)
    (root / "a.png").write_bytes(b"picture")
    file = upload(workspace, "5ha")
    places = MediaPlaces(workspace)
    found = list(places.by_root(rows("a.png", f"{UPLOADED}5ha", "b.png")))
    assert [(folder, list(below["uri"])) for folder, below in found] == [
        (root, ["a.png", "b.png"]),
        (workspace.paths.uploads, ["5ha"]),
    ]
    assert places.file("a.png") == root / "a.png" and places.file(f"{UPLOADED}5ha") == file
    with pytest.raises(MediaError):
        places.file(f"{UPLOADED}../events.db")


def test_a_source_is_not_needed_where_only_apps_have_files(workspace: Workspace) -> None:
    upload(workspace, "5ha")
    ((folder, _),) = MediaPlaces(workspace).by_root(rows(f"{UPLOADED}5ha"))
    assert folder == workspace.paths.uploads
    with pytest.raises(SourceError):
        list(MediaPlaces(workspace).by_root(rows("a.png")))


def test_a_file_that_an_app_replaced_during_a_run_is_left_out(workspace: Workspace) -> None:
    gone = upload(workspace, "5ha")
    upload(workspace, "other")
    uris = ("a.png", f"{UPLOADED}5ha", f"{UPLOADED}other")
    places = MediaPlaces(workspace)
    assert places.without_gone(rows(*uris)).equals(rows(*uris))
    gone.unlink()
    assert places.without_gone(rows(*uris))["uri"].to_list() == [uris[0], uris[2]]


@pytest.mark.slow
@pytest.mark.usefixtures("encoders_once")
def test_files_are_not_taken_for_broken_where_their_folder_is_not_mounted(
    workspace: Workspace, tmp_path: Path
) -> None:
    root = tmp_path / "films"
    encode = files_to_features(workspace, modality_of("image"), "image").start(lambda done: None)
    gone = pl.DataFrame({"content_sha256": ["a"], "uri": ["a.png"], "root": [str(root)]})
    with pytest.raises(MediaFolderError, match=f"sees no file in {root}"):
        encode(gone)
    root.mkdir()
    with pytest.raises(MediaFolderError, match=f"sees no file in {root}"):
        encode(gone)
    (root / "b.png").write_bytes(b"picture")
    assert encode(gone)["failure"].null_count() == 0

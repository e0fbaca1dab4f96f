"""What a service does while the champion's files change under it."""

import os
from pathlib import Path

import pytest
from home_of_tastes import home_of_tastes
from small_platform import small_settings

from crossmodal.workspace import Workspace
from models.baselines import Popularity
from serving import champion
from serving.champion import Champion, ChampionWatch, NoChampionError


def test_a_version_that_is_repaired_while_it_is_refused_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(small_settings(tmp_path))
    version = home_of_tastes(workspace, Popularity())
    weights = workspace.paths.models / version / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(b"half")
    # Long ago, so that the repair is newer however coarse the file system's clock is.
    for path in weights.parent.rglob("*"):
        os.utime(path, ns=(0, 0))
    load = champion.load_champion

    def load_and_repair(workspace: Workspace, version: str) -> Champion:
        try:
            return load(workspace, version)
        except NoChampionError:
            weights.write_bytes(content)
            raise

    monkeypatch.setattr(champion, "load_champion", load_and_repair)
    refused: list[str] = []
    watch = ChampionWatch(workspace, lambda taken: None, lambda: refused.append(version))
    watch.look()
    assert refused == [version]
    watch.look()
    assert watch.current.version == version and refused == [version]


def test_a_version_that_cannot_be_loaded_is_refused_once(tmp_path: Path) -> None:
    workspace = Workspace(small_settings(tmp_path))
    version = home_of_tastes(workspace, Popularity())
    (workspace.paths.models / version / "weights.safetensors").write_bytes(b"half")
    refused: list[str] = []
    watch = ChampionWatch(workspace, lambda taken: None, lambda: refused.append(version))
    watch.look()
    watch.look()
    assert refused == [version]

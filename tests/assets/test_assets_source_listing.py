"""The list of a source's files, and when a file is read again."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from small_platform import small_settings

from assets.source_listing import RAW_MEDIA, list_files, source_of
from crossmodal.workspace import Workspace

MAPPING = """
interactions: {path: events.csv, user: user, item: item, time: at, value: stars}
items: {path: items.csv, id: id, title: title}
media: {image: poster}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A source of one item with a picture."""
    folder = tmp_path / "a süßer source"
    folder.mkdir()
    (folder / "mapping.yaml").write_text(MAPPING)
    (folder / "events.csv").write_text("user,item,at,stars\nu,a,2020-01-01,4\n")
    (folder / "items.csv").write_text("id,title,poster\na,A,plakat ä.png\n", encoding="utf-8")
    (folder / "plakat ä.png").write_bytes(b"old")
    path = folder / "mapping.yaml"
    return Workspace(small_settings(tmp_path / "home", source="tables", source_path=path))


def checksum(workspace: Workspace) -> str:
    found: str = list_files(workspace, source_of(workspace))[RAW_MEDIA]["sha256"].item()
    return found


def test_a_file_of_the_same_size_and_time_is_read_again_where_the_list_is_forced(
    workspace: Workspace,
) -> None:
    before = checksum(workspace)
    picture = source_of(workspace).root / "plakat ä.png"
    facts = picture.stat()
    picture.write_bytes(b"new")
    os.utime(picture, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert checksum(workspace) == before
    forced = checksum(replace(workspace, forced=frozenset({RAW_MEDIA})))
    assert forced != before and checksum(workspace) == forced, "and from then on"

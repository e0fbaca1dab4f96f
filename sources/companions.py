"""Media folders next to the tables: files named by item id."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from sources.protocol import MEDIA

SUFFIXES = {
    "image": frozenset(
        {
            *{".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".tif"},
            *{".tiff", ".avif", ".jp2", ".j2k", ".qoi", ".ppm", ".pgm"},
        }
    ),
    "audio": frozenset(
        {
            *{".wav", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".mpga", ".m4a"},
            *{".m4b", ".aac", ".aif", ".aiff", ".aifc", ".caf", ".au", ".wv", ".wma"},
        }
    ),
    "video": frozenset(
        {
            *{".mp4", ".m4v", ".mov", ".qt", ".3gp", ".mkv", ".webm", ".avi", ".wmv", ".flv"},
            *{".mpg", ".mpeg", ".ts", ".m2ts"},
        }
    ),
}
UNREAD = {
    "image": frozenset({".heic", ".heif", ".jxl", ".svg", ".psd", ".pdf"}),
    "audio": frozenset({".dsf", ".mid", ".midi"}),
    "video": frozenset[str](),
}
"""Taken where there is no other, so that the file has a row that says what to do about it."""
FOLDERS = {"image": "posters", "audio": "audio", "video": "video"}


def find_media(root: Path, parent: Path) -> pl.LazyFrame:
    """Files of `posters/`, `audio/` and `video/` of `parent`, in the columns of `MEDIA`.

    The name without its ending is the item id. Of several files of an item in a modality the first
    by name is taken, readable ones first. A link that leads out of `root` is not followed: its file
    has no row.
    """
    rows: list[tuple[str, str, str]] = []
    for modality, folder in FOLDERS.items():
        uris: dict[str, str] = {}
        for suffixes in (SUFFIXES[modality], UNREAD[modality]):
            for path in _files(parent / folder, root, suffixes):
                uris.setdefault(path.stem, path.relative_to(root).as_posix())
        rows += [(item, modality, uri) for item, uri in uris.items()]
    frame = pl.DataFrame(rows, schema=MEDIA, orient="row")
    return frame.sort("item_id", "modality").lazy()


def _files(folder: Path, root: Path, suffixes: frozenset[str]) -> Iterable[Path]:
    if not folder.is_dir():
        return
    bound = root.resolve()
    for path in sorted(folder.iterdir()):
        inside = path.resolve().is_relative_to(bound)
        if path.suffix.lower() in suffixes and inside and path.is_file():
            yield path

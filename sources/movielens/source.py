"""A MovieLens set as a source."""

from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import polars as pl

from sources.catalogue import SourceRequest
from sources.companions import find_media
from sources.movielens.archive import unpack
from sources.movielens.download import BASE_URL, download
from sources.movielens.layouts import Layout, find_layout
from sources.movielens.tables import film_ids, first_event, movielens_events, movielens_items
from sources.protocol import Extract, Progress, SourceError, SourceFile
from sources.rejects import TimeBounds

_SYNOPSES = "synopses.csv"


class MovieLensSource:
    """Reads a folder, a zip, or a published set that it downloads.

    `posters/`, `audio/`, `video/` (files named by movieId) and `synopses.csv` are found next to the
    ratings; for a zip also next to the zip.
    """

    name = "movielens"
    timeless = False

    def __init__(
        self,
        *,
        path: Path | None,
        set_name: str | None,
        home_sources: Path,
        base_url: str = BASE_URL,
        latest: datetime | None = None,
    ) -> None:
        if path is None and set_name is None:
            raise SourceError(
                "The movielens source needs a folder or zip (--path) or a set to download (--name)."
            )
        self._path = path.resolve() if path else None
        self._set_name = set_name
        self._home = home_sources / "movielens"
        self._base_url = base_url
        self._bounds = TimeBounds(latest or datetime.now(UTC))

    def fetch(self, progress: Progress | None = None) -> None:
        """Downloads and unpacks what is not there yet."""
        self._unpacked(progress)

    @cached_property
    def folder(self) -> Path:
        """The folder of the ratings."""
        return _with_ratings(self._unpacked(None))

    @property
    def root(self) -> Path:
        """The folder of media and tables; for a zip with media next to it, the zip's folder."""
        return self._companions

    def files(self) -> list[SourceFile]:
        """The tables of the set and the synopses."""
        layout = self._layout
        files = [
            SourceFile(layout.ratings, "interactions"),
            SourceFile(layout.films, "items"),
        ]
        if layout.tags:
            files.insert(1, SourceFile(layout.tags, "interactions"))
        if self._synopses:
            files.append(SourceFile(self._synopses, "items"))
        return files

    def interactions(self) -> Extract:
        """Ratings, and tags as events of value 0 that carry the text."""
        return movielens_events(self._layout, film_ids(self._layout), self._bounds)

    def items(self) -> Extract:
        """The films, with their synopsis where one is known."""
        return movielens_items(self._layout, self._synopses, first_event(self._layout))

    def media(self) -> pl.LazyFrame:
        """Files named by movieId, for films that the set has."""
        known = film_ids(self._layout).cast(pl.String).implode()
        return find_media(self.root, self._companions).filter(pl.col("item_id").is_in(known))

    @cached_property
    def _layout(self) -> Layout:
        return find_layout(self.folder)

    @cached_property
    def _companions(self) -> Path:
        zipped = self._path is not None and self._path.is_file()
        neighbours = self._path.parent if zipped and self._path else None
        names = ("posters", "audio", "video", _SYNOPSES)
        if neighbours and any((neighbours / name).exists() for name in names):
            return neighbours
        return self.folder

    @cached_property
    def _synopses(self) -> Path | None:
        for folder in (self._companions, self.folder):
            if (folder / _SYNOPSES).is_file():
                return folder / _SYNOPSES
        return None

    def _unpacked(self, progress: Progress | None) -> Path:
        path = self._path
        if path is None:
            path = download(str(self._set_name), self._home, progress, base_url=self._base_url)
        if path.is_dir():
            return path
        if path.is_file():
            return unpack(path, self._home, progress)
        raise SourceError(f"{path} does not exist; give the folder or zip of a MovieLens set.")


def _with_ratings(folder: Path) -> Path:
    """The folder itself, or the one folder in it that a zip wraps its files in."""
    names = ("ratings.csv", "ratings.dat", "u.data")
    for candidate in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        if any((candidate / name).is_file() for name in names):
            return candidate
    return folder


def open_movielens(request: SourceRequest) -> MovieLensSource:
    """A MovieLens folder or zip, or a published set.

    Raises:
        SourceError: neither is named.
    """
    return MovieLensSource(
        path=request.path,
        set_name=request.set_name,
        home_sources=request.home_sources,
        latest=request.latest,
    )

"""Where the files of the media table lie: below the source's root, or among what apps have put."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import polars as pl

from assets.source_listing import source_root
from crossmodal.uploads import UPLOADED
from crossmodal.workspace import Workspace


class MediaPlaces:
    """Finds the files of one home. The source is opened once, where one of its files is asked for.

    Args:
        workspace: of the home.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @cached_property
    def _source_root(self) -> Path:
        return source_root(self._workspace)

    def by_root(self, files: pl.DataFrame) -> Iterator[tuple[Path, pl.DataFrame]]:
        """The rows of each root, in their order, with paths below it.

        Args:
            files: rows with a uri.

        Yields:
            The source's root first. A root without a row is left out.
        """
        uploaded = pl.col("uri").str.starts_with(UPLOADED)
        of_source, of_apps = files.filter(~uploaded), files.filter(uploaded)
        if of_source.height:
            yield self._source_root, of_source
        if of_apps.height:
            below = pl.col("uri").str.strip_prefix(UPLOADED)
            yield self._workspace.paths.uploads, of_apps.with_columns(uri=below)

    def without_gone(self, files: pl.DataFrame) -> pl.DataFrame:
        """The rows without files that apps have replaced or deleted since the run listed them.

        The next run lists what took their place.
        """
        uploads = self._workspace.paths.uploads
        names = files["uri"].filter(files["uri"].str.starts_with(UPLOADED)).unique()
        gone = [uri for uri in names if not (uploads / uri.removeprefix(UPLOADED)).is_file()]
        return files.filter(~pl.col("uri").is_in(gone))

    def file(self, uri: str) -> Path:
        """The file of a usable row.

        Raises:
            MediaError: it is gone, or leads out of its root.
        """
        from models.media import resolve_inside

        if uri.startswith(UPLOADED):
            return resolve_inside(self._workspace.paths.uploads, uri.removeprefix(UPLOADED))
        return resolve_inside(self._source_root, uri)

"""A source by its name."""

from datetime import datetime
from pathlib import Path

from sources.protocol import Source, SourceError
from sources.sample.config import SampleConfig


def open_source(
    name: str,
    *,
    path: Path | None = None,
    set_name: str | None = None,
    home_sources: Path,
    sample: SampleConfig | None = None,
    seed: int | None = None,
    earliest: datetime | None = None,
    latest: datetime | None = None,
) -> Source:
    """The source `sample`, `movielens` or `tables`.

    Args:
        name: which of them.
        path: folder or zip (movielens), or mapping YAML (tables).
        set_name: published MovieLens set to download.
        home_sources: folder for what is generated, downloaded or unpacked.
        sample: sizes of the sample.
        seed: seed of the sample where `sample` is not given.
        earliest: an event before it has no usable time; by default a time before computers.
        latest: an event after it has no usable time; by default now.

    Raises:
        SourceError: the name is unknown, or the source lacks what it needs.
    """
    # Each source is imported where it is opened: codecs and network clients take seconds.
    if name == "sample":
        from sources.sample.source import SampleSource

        return SampleSource(home_sources, sample or SampleConfig(seed=42 if seed is None else seed))
    if name == "movielens":
        from sources.movielens.source import MovieLensSource

        return MovieLensSource(
            path=path, set_name=set_name, home_sources=home_sources, latest=latest
        )
    if name == "tables":
        from sources.rejects import EARLIEST
        from sources.tables.source import TablesSource

        return TablesSource(path=path, latest=latest, earliest=earliest or EARLIEST)
    raise SourceError(f"Source {name!r} is unknown; choose sample, movielens or tables.")

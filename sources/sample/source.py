"""The generated catalogue as a source."""

from pathlib import Path

import polars as pl

from sources.catalogue import SourceRequest
from sources.companions import find_media
from sources.protocol import (
    INTERACTIONS,
    ITEMS,
    Extract,
    Progress,
    SourceError,
    SourceFile,
    no_rejects,
)
from sources.sample.config import SampleConfig
from sources.sample.generate import generate, sample_folder


class SampleSource:
    """Generates its files once for each setting, then reads them like anybody's."""

    name = "sample"
    timeless = False

    def __init__(self, home_sources: Path, config: SampleConfig) -> None:
        self.config = config
        self._home_sources = home_sources

    @property
    def root(self) -> Path:
        """The folder of these settings' catalogue."""
        return sample_folder(self._home_sources, self.config)

    def fetch(self, progress: Progress | None = None) -> None:
        """Generates the catalogue where it is absent."""
        generate(self._home_sources, self.config, progress)

    def files(self) -> list[SourceFile]:
        """The two tables."""
        return [
            SourceFile(self.root / "events.parquet", "interactions"),
            SourceFile(self.root / "items.parquet", "items"),
        ]

    def interactions(self) -> Extract:
        """All events: ratings of 1 to 5, some with a review."""
        return Extract(self._table("events", INTERACTIONS), no_rejects())

    def items(self) -> Extract:
        """All items."""
        return Extract(self._table("items", ITEMS), no_rejects())

    def media(self) -> pl.LazyFrame:
        """Posters, sounds and clips, the broken ones too."""
        return find_media(self.root, self.root)

    def _table(self, name: str, columns: pl.Schema) -> pl.LazyFrame:
        path = self.root / f"{name}.parquet"
        table = pl.scan_parquet(path)
        try:
            table.collect_schema()
        except pl.exceptions.ComputeError as error:
            raise SourceError(
                f"{path} is damaged ({error}): delete {self.root}, and the next run makes the "
                "sample again."
            ) from error
        return table.select(columns.names())


def open_sample(request: SourceRequest) -> SampleSource:
    """The sample, of the default sizes unless others are given."""
    return SampleSource(request.home_sources, request.sample or SampleConfig())

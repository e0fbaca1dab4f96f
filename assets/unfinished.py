"""What an encoding that was interrupted had done, for the run that goes on with it."""

import shutil
from dataclasses import dataclass

import polars as pl

from assets.table_asset import Making
from crossmodal.lake import Lake

_SCHEMA = pl.Schema({"content_sha256": pl.String(), "features": pl.List(pl.Float32)})


@dataclass(frozen=True)
class Unfinished:
    """Chunks of a table that no run has finished yet.

    Attributes:
        lake: holds them.
        table: that they will be part of.
        stamp: which encoder made them, and whether every content was to be encoded again.
    """

    lake: Lake
    table: str
    stamp: dict[str, str]

    @classmethod
    def of(cls, making: Making, table: str, fingerprint: str) -> "Unfinished":
        """The chunks of a table that a run is about to make.

        Args:
            making: what the asset's body got.
            table: of the asset.
            fingerprint: of the encoder.
        """
        stamp = {"fingerprint": fingerprint, "forced": str(making.forced)}
        return cls(Lake(making.workspace.paths.unfinished), table, stamp)

    def features(self) -> pl.LazyFrame:
        """content_sha256 and features of what the interrupted run had encoded in the same way."""
        chunks = [f"{self.table}/{key}" for key in self.lake.partitions(self.table)]
        same = [self.lake.scan(one) for one in chunks if self.lake.current(one, self.stamp)]
        return pl.concat(same) if same else pl.LazyFrame(schema=_SCHEMA)

    def keep(self, features: pl.DataFrame) -> None:
        """Keeps the next chunk; `features` has the two columns."""
        if features.height:
            first: str = features["content_sha256"][0]
            self.lake.write(f"{self.table}/{first}", features.select(list(_SCHEMA)), self.stamp)

    def forget(self) -> None:
        """Removes all chunks, once the table is finished."""
        shutil.rmtree(self.lake.root / self.table, ignore_errors=True)

"""What an encoding that was interrupted had done, for the run that goes on with it."""

import logging
import shutil
from dataclasses import dataclass

import polars as pl
from dagster._core.storage.tags import ROOT_RUN_ID_TAG

from assets.table_asset import Making
from crossmodal.lake import Lake
from crossmodal.lake_damage import damage

_log = logging.getLogger(__name__)
_SCHEMA = pl.Schema({"content_sha256": pl.String(), "features": pl.List(pl.Float32)})


@dataclass(frozen=True)
class Unfinished:
    """Chunks of a table that no run has finished yet.

    Attributes:
        lake: holds them.
        table: that they will be part of.
        stamp: which encoder made them, and who forced every content to be encoded again.
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
        stamp = {"fingerprint": fingerprint, "forced": _forced_by(making)}
        return cls(Lake(making.workspace.paths.unfinished), table, stamp)

    def features(self) -> pl.LazyFrame:
        """content_sha256 and features of what the interrupted run had encoded in the same way."""
        chunks = [f"{self.table}/{key}" for key in self.lake.partitions(self.table)]
        same = [self.lake.scan(one) for one in chunks if self._is_usable(one)]
        return pl.concat(same) if same else pl.LazyFrame(schema=_SCHEMA)

    def keep(self, features: pl.DataFrame) -> None:
        """Keeps the next chunk; `features` has the two columns."""
        if features.height:
            first: str = features["content_sha256"][0]
            self.lake.write(f"{self.table}/{first}", features.select(list(_SCHEMA)), self.stamp)

    def forget(self) -> None:
        """Removes all chunks, once the table is finished."""
        shutil.rmtree(self.lake.root / self.table, ignore_errors=True)

    def _is_usable(self, chunk: str) -> bool:
        """Whether a chunk is whole and was made in the same way; a damaged one is removed."""
        path = self.lake.path(chunk)
        if damage(path) is not None:
            _log.warning("%s is damaged: what it held is encoded again.", path)
            path.unlink()
            return False
        return self.lake.current(chunk, self.stamp) is not None


def _forced_by(making: Making) -> str:
    """The run that forced the encoding first, and that others take up; empty where it is not.

    Whoever forces it in another run wants nothing of the former one's.
    """
    run = making.context.run
    return run.tags.get(ROOT_RUN_ID_TAG, run.run_id) if making.forced else ""

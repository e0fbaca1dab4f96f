"""The catalogue's own pictures and sounds, for people to see and hear."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from crossmodal.modalities import MEDIA_KINDS
from crossmodal.uploads import UPLOADED
from crossmodal.workspace import Workspace
from models.data import Vocabulary


@dataclass(frozen=True)
class MediaFile:
    """One file of an item.

    Attributes:
        root: folder that bounds it.
        uri: its path below the root.
        mime: what its bytes are.
    """

    root: Path
    uri: str
    mime: str

    def path(self) -> Path | None:
        """Where it lies; None where it is gone, or now leads out of its root."""
        file = (self.root / self.uri).resolve()
        inside = file.is_relative_to(self.root.resolve())
        return file if inside and file.is_file() else None


def media_files(
    workspace: Workspace, item_ids: Vocabulary
) -> Mapping[str, Mapping[int, MediaFile]]:
    """Usable files by modality and dense item index; a video is neither picture nor sound here."""
    lake = workspace.lake
    if not (lake.exists("media") and lake.exists("media_checksums")):
        return {kind: {} for kind in MEDIA_KINDS}
    roots = lake.scan("media_checksums").select("uri", "root").unique("uri")
    usable = lake.scan("media").filter(pl.col("status") == "ok")
    usable = usable.join(roots, on="uri", how="left").with_columns(
        root=pl.when(pl.col("uri").str.starts_with(UPLOADED))
        .then(pl.lit(workspace.paths.kept(workspace.paths.uploads)))
        .otherwise("root"),
        uri=pl.col("uri").str.strip_prefix(UPLOADED),
    )
    usable = usable.drop_nulls("root")
    return {kind: _of(workspace, usable, kind, item_ids) for kind in MEDIA_KINDS}


def _of(
    workspace: Workspace, usable: pl.LazyFrame, modality: str, item_ids: Vocabulary
) -> dict[int, MediaFile]:
    of_modality = (pl.col("modality") == modality) & pl.col("mime").str.starts_with(f"{modality}/")
    rows = usable.filter(of_modality).select("item_id", "root", "uri", "mime").collect()
    places = item_ids.indexes(rows["item_id"].to_list())
    return {
        int(place): MediaFile(workspace.paths.located(root), uri, mime)
        for place, (_, root, uri, mime) in zip(places, rows.iter_rows(), strict=True)
        if place >= 0
    }

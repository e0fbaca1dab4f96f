"""The source that the settings name, and a list of its files with their checksums."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl

from crossmodal.workspace import Workspace
from sources.catalogue import SourceRequest
from sources.factory import open_source
from sources.protocol import Source, SourceError, SourceFile
from sources.sample.config import SampleConfig

RAW_MEDIA = "raw_media"
"""The asset that lists the media files."""

_CHECKSUMS = "media_checksums"
_SAME_FILE = ["root", "uri", "bytes", "mtime_ns"]


def source_of(workspace: Workspace) -> Source:
    """The source that the settings name."""
    settings = workspace.settings
    request = SourceRequest(
        home_sources=workspace.paths.sources,
        path=settings.source_path,
        set_name=settings.source_name,
        sample=SampleConfig(
            users=settings.sample_users,
            items=settings.sample_items,
            events=settings.sample_events,
            seed=settings.seed,
        ),
        earliest=settings.earliest_event,
        latest=settings.latest_event,
    )
    return open_source(settings.source, request)


def source_root(workspace: Workspace) -> Path:
    """The folder of the source's files.

    Raises:
        SourceError: the files were never fetched, or are gone.
    """
    root = source_of(workspace).root
    if not root.is_dir():
        raise SourceError(f"The source's folder {root} is not there; materialize raw_media again.")
    return root


def list_files(
    workspace: Workspace,
    source: Source,
    checksum: Callable[[Path], str] | None = None,
    *,
    keep: bool = True,
) -> dict[str, pl.DataFrame]:
    """The source's files with their checksums, by the asset that lists them.

    Args:
        workspace: of the home.
        source: whose files are there.
        checksum: of a file; by default it is read.
        keep: whether the checksums of media files are kept in the lake, as only a run may.
    """
    checksum, files = checksum or sha256_of, source.files()
    return {
        "raw_interactions": _stock(source.root, _with_role(files, "interactions"), checksum),
        "raw_items": _stock(source.root, _with_role(files, "items"), checksum),
        RAW_MEDIA: _media_stock(workspace, source, checksum, keep),
    }


def _stock(root: Path, files: list[SourceFile], checksum: Callable[[Path], str]) -> pl.DataFrame:
    """The files by their paths, since the names of folders may hold values too."""
    return pl.DataFrame(
        {
            "file": [_below(root, file.path) for file in files],
            "bytes": [file.path.stat().st_size for file in files],
            "sha256": [checksum(file.path) for file in files],
        },
        schema={"file": pl.String, "bytes": pl.Int64, "sha256": pl.String},
    )


def _with_role(files: Iterable[SourceFile], role: str) -> list[SourceFile]:
    return [file for file in files if file.role == role]


def _below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _media_stock(
    workspace: Workspace, source: Source, checksum: Callable[[Path], str], keep: bool
) -> pl.DataFrame:
    """Media files with checksums; a file of unchanged size and time is not read again."""
    files = source.media().collect()
    unique = files.select("uri").unique().sort("uri")
    stats = [(source.root / uri).stat() for uri in unique["uri"]]
    listed = unique.with_columns(
        bytes=pl.Series([stat.st_size for stat in stats], dtype=pl.Int64),
        mtime_ns=pl.Series([stat.st_mtime_ns for stat in stats], dtype=pl.Int64),
        root=pl.lit(workspace.paths.kept(source.root)),
    )
    listed = listed.join(_known_checksums(workspace), on=_SAME_FILE, how="left")
    new = listed.filter(pl.col("sha256").is_null())
    if new.height or not workspace.lake.exists(_CHECKSUMS):
        hashed = new.with_columns(
            sha256=pl.Series([checksum(source.root / uri) for uri in new["uri"]], dtype=pl.String)
        )
        listed = pl.concat([listed.filter(pl.col("sha256").is_not_null()), hashed])
        if keep:
            kept = listed.select([*_SAME_FILE, "sha256"]).sort("uri")
            workspace.lake.write(_CHECKSUMS, kept, {})
    content = listed.select("uri", "bytes", "sha256")
    return files.join(content, on="uri", how="left").sort("item_id", "modality")


def _known_checksums(workspace: Workspace) -> pl.DataFrame:
    """Those of files that a run has read; none where the list is forced: size and time may lie."""
    if RAW_MEDIA in workspace.forced or not workspace.lake.exists(_CHECKSUMS):
        schema = {"root": pl.String, "uri": pl.String, "bytes": pl.Int64, "mtime_ns": pl.Int64}
        return pl.DataFrame(schema={**schema, "sha256": pl.String})
    return workspace.lake.read(_CHECKSUMS)


def sha256_of(path: Path) -> str:
    """The checksum of a file (hex)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

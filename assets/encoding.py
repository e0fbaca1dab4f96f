"""From content to tower features: each distinct content is encoded once per encoder."""

import hashlib
import socket
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import polars as pl
import pyarrow as pa

from assets.automation import after_change_of
from assets.engines import Compute, Progress, engine_of
from assets.media_places import MediaPlaces
from assets.table_asset import Making, table_asset
from assets.unfinished import Unfinished
from crossmodal.lake import Lake
from crossmodal.modalities import (
    MEDIA_KINDS,
    MediaKind,
    Modality,
    made_of_media,
    modality_of,
)
from crossmodal.workspace import Workspace
from models.encoders.fingerprints import fingerprint_of
from models.media.limits import MediaLimits, media_limits

if TYPE_CHECKING:
    from models.encoders.stream import Encoded

_VECTORS = pa.list_(pa.float32())
FEATURES_SCHEMA = pa.schema(
    [("content_sha256", pa.string()), ("fingerprint", pa.string()), ("features", _VECTORS)]
)
ENCODED = pl.Schema(
    {
        "content_sha256": pl.String(),
        "features": pl.List(pl.Float32),
        "failure": pl.String(),
        "device": pl.String(),
    }
)
"""What an encoder makes of each content: features, or why there are none; and where it computed."""

_CHUNK = 8192
_BATCHES_OF_FILES = 4
"""That a worker of a cluster takes at once: while one is encoded, the next is decoded."""

Encode = Callable[[Sequence[pl.DataFrame]], Generator[pl.DataFrame, None, None]]
"""Frames with a content_sha256, none of them empty, to one frame of `ENCODED` each, in order."""


class MediaFolderError(RuntimeError):
    """A folder of files is missing or empty where they are encoded; the message says where."""


def usable_files(lake: Lake, modality: str) -> pl.DataFrame:
    """Files that decode, one row an item: item_id, uri, content_sha256, and their format."""
    usable = (pl.col("modality") == modality) & (pl.col("status") == "ok")
    return lake.scan("media").filter(usable).rename({"sha256": "content_sha256"}).collect()


def list_column(vectors: np.ndarray, name: str) -> pl.Series:
    """A float32 matrix (n, d) as a list column."""
    array = pl.Series(
        name, vectors.astype(np.float32), dtype=pl.Array(pl.Float32, vectors.shape[1])
    )
    return array.cast(pl.List(pl.Float32))


def encode_incrementally(
    making: Making,
    table: str,
    contents: pl.DataFrame,
    fingerprint: str,
    encode: Encode,
    watch: "Watch",
    schema: pa.Schema = FEATURES_SCHEMA,
) -> dict[str, Any]:
    """Writes one features row per content, encoding only what the last version lacks.

    Where the asset is forced, every content is encoded again. What a run had encoded before it was
    interrupted is not: the next one goes on after its last whole chunk.

    Contents are taken in the order of their hash, chunk by chunk, so that memory is bounded and
    the table does not depend on what was encoded before.

    Args:
        making: what the asset's body got.
        table: to write.
        contents: rows of unique `content_sha256`, with what `encode` and the schema need.
        fingerprint: of the encoder; rows of another encoder are encoded again.
        encode: makes the features.
        watch: shows how many contents are known or encoded.
        schema: of the table.

    Returns:
        How many contents were encoded, and the device on which the last one was, or `none`.
    """
    unfinished = Unfinished.of(making, table, fingerprint)
    before = _known_features(making, table, fingerprint)
    known = pl.concat([before, unfinished.features()])
    keys = known.select("content_sha256").collect()
    chunks = list(contents.sort("content_sha256").iter_slices(_CHUNK))
    new = [chunk.join(keys, on="content_sha256", how="anti") for chunk in chunks]
    encoded, device = 0, "none"
    with (
        # An error here must not leave workers with what nobody takes from them.
        closing(encode([frame for frame in new if frame.height])) as made,
        making.lake.writer(table, schema, making.stamp) as writer,
    ):
        for chunk, missing in zip(chunks, new, strict=True):
            watch.skip(chunk.height - missing.height)
            reused = known.join(chunk.lazy(), on="content_sha256", how="semi").collect()
            # A run that was killed after its last rename leaves chunks that the table has too.
            reused = reused.unique("content_sha256", keep="first")
            fresh = next(made) if missing.height else pl.DataFrame(schema=ENCODED)
            device = fresh["device"].item(-1) if fresh.height else device
            vectors = fresh.filter(pl.col("failure").is_null()).select(reused.columns)
            encoded += vectors.height
            if contents.height > _CHUNK:
                unfinished.keep(vectors)
            features = pl.concat([reused, vectors]).with_columns(fingerprint=pl.lit(fingerprint))
            writer.write(chunk.join(features, on="content_sha256").sort("content_sha256"))
        writer.summarise(fingerprint=fingerprint, failed=contents.height - writer.rows)
    unfinished.forget()
    return {"encoded": encoded, "device": device}


def _known_features(making: Making, table: str, fingerprint: str) -> pl.LazyFrame:
    if making.forced or not making.lake.exists(table):
        return pl.LazyFrame(schema={"content_sha256": pl.String, "features": pl.List(pl.Float32)})
    same = making.lake.scan(table).filter(pl.col("fingerprint") == fingerprint)
    return same.select("content_sha256", "features")


def encoded_rows(batches: "Iterable[Encoded]", device: str) -> pl.DataFrame:
    """Rows of `ENCODED` for batches that were encoded on a device: the failures come last."""
    encoded = list(batches)
    keys = [key for batch in encoded for key in batch.keys]
    vectors = np.concatenate([batch.features for batch in encoded])
    failures = [failure for batch in encoded for failure in batch.failures]
    column = pl.Series("content_sha256", keys, dtype=pl.String)
    failed = pl.DataFrame(
        {
            "content_sha256": [failure.key for failure in failures],
            "failure": [failure.reason for failure in failures],
        },
        schema_overrides={"content_sha256": pl.String, "failure": pl.String},
    )
    good = pl.DataFrame([column, list_column(vectors, "features")])
    rows = pl.concat([good, failed], how="diagonal").with_columns(device=pl.lit(device))
    return rows.select(list(ENCODED))


def _media_features(modality: Modality, media: MediaKind) -> dg.AssetsDefinition:
    table = f"{modality.name}_features"

    def fingerprint(workspace: Workspace) -> str:
        settings = workspace.settings
        return fingerprint_of(media, modality.encoder(settings), media_limits(settings))

    @table_asset(
        name=table,
        inputs=["media"],
        choices=lambda workspace: {"fingerprint": fingerprint(workspace)},
        intact=lambda workspace: _nothing_failed(workspace.lake, table),
        description=f"The {modality.name} tower's own features of every distinct file.",
        automation=after_change_of(),
        group="embeddings",
        kinds={"torch"},
        code_version="1",
    )
    def features(making: Making) -> dict[str, Any]:
        files = usable_files(making.lake, media)
        if files.is_empty():
            making.context.log.info(f"No item has usable {modality.name}; models do without it.")
        distinct = files.unique("content_sha256", keep="first", maintain_order=True)
        return _encode_files(making, modality, media, distinct, fingerprint(making.workspace))

    return features


def _nothing_failed(lake: Lake, table: str) -> bool:
    """False where a file could not be encoded last time: it may only have been slow to decode."""
    return not lake.exists(table) or not lake.version(table).summary["failed"]


def _encode_files(
    making: Making, modality: Modality, media: MediaKind, files: pl.DataFrame, fingerprint: str
) -> dict[str, Any]:
    workspace, settings = making.workspace, making.settings
    watch = Watch(workspace, f"Encoding {modality.name} files", files.height)
    work = files_to_features(workspace, modality, media)
    places = MediaPlaces(workspace)

    def encode(frames: Sequence[pl.DataFrame]) -> Generator[pl.DataFrame, None, None]:
        parts = engine_of(settings).map_frames(
            work,
            (part for frame in frames for part in of_one_root(places, frame)),
            _BATCHES_OF_FILES * work.batch_size,
            watch.progress,
        )
        for frame in frames:
            rows = _taken(parts, frame.height)
            failed = rows.drop_nulls("failure").select("content_sha256", "failure")
            for key, reason in failed.iter_rows():
                making.context.log.warning(f"{key} could not be encoded: {reason}")
            yield rows

    table = f"{modality.name}_features"
    return encode_incrementally(making, table, files, fingerprint, encode, watch)


def of_one_root(places: MediaPlaces, files: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The files of each root: content_sha256, uri (the path below the root), root."""
    for root, below in places.by_root(files):
        yield below.select("content_sha256", "uri", root=pl.lit(str(root)))


def _taken(parts: Iterator[pl.DataFrame], rows: int) -> pl.DataFrame:
    """The next parts, which have so many rows together."""
    taken: list[pl.DataFrame] = []
    while sum(part.height for part in taken) < rows:
        taken.append(next(parts))
    return pl.concat(taken)


def files_to_features(
    workspace: Workspace, modality: Modality, media: MediaKind
) -> "FilesToFeatures":
    """The work of encoding a modality's files as the settings ask for it."""
    settings = workspace.settings
    return FilesToFeatures(
        media,
        modality.encoder(settings),
        workspace.paths.weights,
        settings.device,
        media_limits(settings),
        settings.media_workers,
        settings.embedding_batch,
    )


@dataclass(frozen=True)
class FilesToFeatures:
    """Decodes and encodes files of one root, rows of `of_one_root`, to rows of `ENCODED`.

    Attributes:
        media: what is decoded of a file.
        encoder: its name.
        weights: folder of encoder weights.
        device: the setting of that name.
        limits: bounds of each file.
        workers: decoding processes per encoder.
        batch_size: files per batch.
    """

    media: MediaKind
    encoder: str
    weights: Path
    device: str
    limits: MediaLimits
    workers: int
    batch_size: int

    def start(self, progress: Progress) -> Compute:
        """Loads the encoder."""
        from models.encoders.device import choose_device
        from models.encoders.factory import load_media_encoder
        from models.encoders.stream import MediaRow, encode_media

        encoder = load_media_encoder(
            self.media,
            self.encoder,
            weights=self.weights,
            device=choose_device(self.device),
            limits=self.limits,
        )

        def compute(files: pl.DataFrame) -> pl.DataFrame:
            pairs, root = files.select("content_sha256", "uri").iter_rows(), Path(files["root"][0])
            _require_filled(root)
            encoded = encode_media(
                (MediaRow(sha256, uri, sha256) for sha256, uri in pairs),
                root,
                encoder,
                limits=self.limits,
                workers=self.workers,
                batch_size=self.batch_size,
                progress=progress,
            )
            return encoded_rows(encoded, encoder.device)

        return compute


def _require_filled(root: Path) -> None:
    """Refuses a folder without files, as where a disk is not mounted: all would count as broken."""
    if not root.is_dir() or next(root.iterdir(), None) is None:
        raise MediaFolderError(
            f"{socket.gethostname()} sees no file in {root}, where the run found some: mount the "
            "folder there and run again."
        )


media_features = [
    _media_features(modality, media) for media in MEDIA_KINDS for modality in made_of_media(media)
]


@table_asset(
    inputs=["items"],
    automation=after_change_of(),
    group="embeddings",
    kinds={"numpy"},
    code_version="2",
)
def attributes_features(making: Making) -> None:
    """Categories and named numbers of every item, over the catalogue's scale."""
    from models.encoders.attributes import encode_attributes

    items = item_attributes(making.lake.scan("items"))
    encoded = encode_attributes(items["categories"], items["attributes"])
    rows = items.select("content_sha256").with_columns(
        list_column(encoded.features, "features"),
        fingerprint=pl.lit(modality_of("attributes").encoder(making.settings)),
    )
    known = rows.filter(pl.Series(encoded.present))
    distinct = known.unique("content_sha256").sort("content_sha256")
    columns = list(encoded.names)
    making.lake.write("attributes_features", distinct, making.stamp, columns=columns)


def item_attributes(items: pl.LazyFrame) -> pl.DataFrame:
    """Categories and attributes of every item with a key of their content, sorted by item."""
    rows = items.select("item_id", "created_at", "categories", "attributes").sort("item_id")
    collected = rows.collect()
    contents = collected.select("categories", "attributes").rows()
    keys = [hashlib.sha256(repr(content).encode()).hexdigest() for content in contents]
    return collected.with_columns(content_sha256=pl.Series(keys, dtype=pl.String))


class Watch:
    """Shows progress where some of the contents are known from before."""

    def __init__(self, workspace: Workspace, work: str, total: int) -> None:
        self._report = workspace.progress
        self._work = work
        self._total = total
        self._done = self._skipped = 0

    def progress(self, done: int) -> None:
        """Shows how many contents are encoded so far."""
        self._done = done
        self._report(self._work, self._skipped + self._done, self._total)

    def skip(self, known: int) -> None:
        """Counts contents that need no encoding."""
        self._skipped += known

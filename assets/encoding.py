"""From content to tower features: each distinct content is encoded once per encoder."""

import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import dagster as dg
import numpy as np
import polars as pl
import pyarrow as pa

from assets.automation import after_change_of
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
from models.media.limits import media_limits

if TYPE_CHECKING:
    from models.encoders.protocol import Encoder, MediaEncoder
    from models.encoders.stream import Encoded

_VECTORS = pa.list_(pa.float32())
FEATURES_SCHEMA = pa.schema(
    [("content_sha256", pa.string()), ("fingerprint", pa.string()), ("features", _VECTORS)]
)
_CHUNK = 8192

Encode = Callable[[pl.DataFrame], pl.DataFrame]
"""Rows with a content_sha256 to rows of content_sha256 and features; may leave out what fails."""


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
    skipped: Callable[[int], None],
    schema: pa.Schema = FEATURES_SCHEMA,
) -> int:
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
        skipped: called with the number of contents of a chunk that were known.
        schema: of the table.

    Returns:
        How many contents were encoded.
    """
    unfinished = Unfinished.of(making, table, fingerprint)
    before = _known_features(making, table, fingerprint)
    known = pl.concat([before, unfinished.features()])
    encoded = 0
    with making.lake.writer(table, schema, making.stamp) as writer:
        for chunk in contents.sort("content_sha256").iter_slices(_CHUNK):
            reused = known.join(chunk.lazy(), on="content_sha256", how="semi").collect()
            # A run that was killed after its last rename leaves chunks that the table has too.
            reused = reused.unique("content_sha256", keep="first")
            new = chunk.join(reused, on="content_sha256", how="anti")
            skipped(reused.height)
            fresh = encode(new) if new.height else reused.clear()
            encoded += fresh.height
            if contents.height > _CHUNK:
                unfinished.keep(fresh)
            features = pl.concat([reused, fresh]).with_columns(fingerprint=pl.lit(fingerprint))
            writer.write(chunk.join(features, on="content_sha256").sort("content_sha256"))
        writer.summarise(fingerprint=fingerprint, failed=contents.height - writer.rows)
    unfinished.forget()
    return encoded


def _known_features(making: Making, table: str, fingerprint: str) -> pl.LazyFrame:
    if making.forced or not making.lake.exists(table):
        return pl.LazyFrame(schema={"content_sha256": pl.String, "features": pl.List(pl.Float32)})
    same = making.lake.scan(table).filter(pl.col("fingerprint") == fingerprint)
    return same.select("content_sha256", "features")


def features_table(
    batches: "Iterator[Encoded]", log: Callable[[str], None] | None = None
) -> pl.DataFrame:
    """Encoded batches as rows; each failure is logged and has no row."""
    encoded = list(batches)
    for batch in encoded:
        for failure in batch.failures:
            if log is not None:
                log(f"{failure.key} could not be encoded: {failure.reason}")
    keys = [key for batch in encoded for key in batch.keys]
    vectors = np.concatenate([batch.features for batch in encoded])
    column = pl.Series("content_sha256", keys, dtype=pl.String)
    return pl.DataFrame([column, list_column(vectors, "features")])


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
    from models.encoders.stream import MediaRow, encode_media

    workspace, settings = making.workspace, making.settings
    loaded = LoadedOnce(lambda: _media_encoder(workspace, modality, media))
    watch = Watch(workspace, f"Encoding {modality.name} files", files.height)
    places = MediaPlaces(workspace)

    def encode(rows: pl.DataFrame) -> pl.DataFrame:
        features = []
        for root, below in places.by_root(rows):
            pairs = below.select("content_sha256", "uri").iter_rows()
            encoded = encode_media(
                (MediaRow(sha256, uri, sha256) for sha256, uri in pairs),
                root,
                loaded.encoder,
                limits=media_limits(settings),
                workers=settings.media_workers,
                batch_size=settings.embedding_batch,
                progress=watch.progress,
            )
            features.append(features_table(encoded, making.context.log.warning))
            watch.finish(below.height)
        return pl.concat(features)

    table = f"{modality.name}_features"
    encoded = encode_incrementally(making, table, files, fingerprint, encode, watch.finish)
    return {"encoded": encoded, "device": loaded.device}


def _media_encoder(workspace: Workspace, modality: Modality, media: MediaKind) -> "MediaEncoder":
    from models.encoders.device import choose_device
    from models.encoders.factory import load_media_encoder

    settings = workspace.settings
    return load_media_encoder(
        media,
        modality.encoder(settings),
        weights=workspace.paths.weights,
        device=choose_device(settings.device),
        limits=media_limits(settings),
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


EncoderType = TypeVar("EncoderType", bound="Encoder[Any]")


class LoadedOnce(Generic[EncoderType]):
    """An encoder that is loaded when the first new content comes."""

    def __init__(self, load: Callable[[], EncoderType]) -> None:
        self._load = load
        self._encoder: EncoderType | None = None

    @property
    def encoder(self) -> EncoderType:
        """The encoder."""
        if self._encoder is None:
            self._encoder = self._load()
        return self._encoder

    @property
    def device(self) -> str:
        """Where it computed; `none` where nothing was new."""
        return "none" if self._encoder is None else self._encoder.device


class Watch:
    """Adds the progress of chunk after chunk up to one total."""

    def __init__(self, workspace: Workspace, work: str, total: int) -> None:
        self._report = workspace.progress
        self._work = work
        self._total = total
        self._before = 0

    def progress(self, done: int) -> None:
        """Tells how much of the current chunk is done."""
        self._report(self._work, self._before + done, self._total)

    def finish(self, rows: int) -> None:
        """Goes on to the next chunk."""
        self._before += rows

"""What the text tower reads: of each item its whole text and its title, and what users wrote."""

import hashlib
import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from assets.automation import after_change_of
from assets.encoding import (
    FEATURES_SCHEMA,
    Watch,
    encode_incrementally,
    encoded_rows,
)
from assets.engines import Compute, Progress, engine_of
from assets.table_asset import Choices, Making, table_asset
from crossmodal.lake import Lake
from crossmodal.workspace import Workspace
from models.encoders.fingerprints import fingerprint_of
from models.encoders.item_text import READ_OF_ITEMS, read_of_items, weigh_title

_REVIEWS_SCHEMA = FEATURES_SCHEMA.append(pa.field("text", pa.string()))
_TEXTS_AT_ONCE = 512
_READ_OF_REVIEWS = ("text",)


def item_texts(items: pl.LazyFrame) -> pl.DataFrame:
    """What is encoded of each item: item_id, created_at, text, title, content_sha256."""
    read = read_of_items(items).select("item_id", "created_at", *READ_OF_ITEMS)
    return _with_key(read.collect(), READ_OF_ITEMS)


def review_rows(lake: Lake) -> pl.LazyFrame:
    """What users wrote: user_id, item_id, event_timestamp, text."""
    events = lake.scan_partitions("interactions")
    written = events.filter(pl.col("text").fill_null("").str.strip_chars() != "")
    return written.select("user_id", "item_id", "event_timestamp", "text")


def _encoder_choices(workspace: Workspace) -> Choices:
    return {"fingerprint": fingerprint_of("text", workspace.settings.text_encoder)}


@table_asset(
    inputs=["items"],
    choices=_encoder_choices,
    automation=after_change_of(),
    group="embeddings",
    kinds={"sentence-transformers"},
    code_version="3",
)
def text_features(making: Making) -> dict[str, Any]:
    """Every distinct item text: the vector of the whole, then that of the title, halved."""
    texts = item_texts(making.lake.scan("items")).unique("content_sha256")
    return _encode_table(
        making, "text_features", texts, READ_OF_ITEMS, FEATURES_SCHEMA, weigh_title
    )


@table_asset(
    inputs=["interactions"],
    choices=_encoder_choices,
    group="embeddings",
    kinds={"sentence-transformers"},
    code_version="1",
)
def review_texts(making: Making) -> dict[str, Any]:
    """The vector of every distinct review text."""
    distinct = review_rows(making.lake).select(pl.col("text").unique().sort()).collect()
    texts = _with_key(distinct, _READ_OF_REVIEWS)
    return _encode_table(making, "review_texts", texts, _READ_OF_REVIEWS, _REVIEWS_SCHEMA)


def _encode_table(
    making: Making,
    table: str,
    texts: pl.DataFrame,
    columns: tuple[str, ...],
    schema: pa.Schema,
    weigh: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> dict[str, Any]:
    """Writes one features row per text: the weighed vectors of the columns, concatenated."""
    workspace, settings = making.workspace, making.settings
    watch = Watch(workspace, f"Encoding {table}", texts.height)
    work = TextsToFeatures(
        settings.text_encoder, workspace.paths.weights, settings.device, columns, weigh
    )

    def encode(frames: Sequence[pl.DataFrame]) -> Generator[pl.DataFrame, None, None]:
        read = (frame.select("content_sha256", *columns) for frame in frames)
        return engine_of(settings).map_frames(work, read, _TEXTS_AT_ONCE, watch.progress)

    fingerprint = fingerprint_of("text", settings.text_encoder)
    return encode_incrementally(making, table, texts, fingerprint, encode, watch, schema)


@dataclass(frozen=True)
class TextsToFeatures:
    """Encodes rows of a content_sha256 and one or more texts to rows of `ENCODED`.

    Attributes:
        encoder: its name.
        weights: folder of encoder weights.
        device: the setting of that name.
        columns: the texts.
        weigh: what is done to the vectors; a function of a module's top level.
    """

    encoder: str
    weights: Path
    device: str
    columns: tuple[str, ...]
    weigh: Callable[[np.ndarray], np.ndarray]

    def start(self, progress: Progress) -> Compute:
        """Loads the encoder."""
        from models.encoders.device import choose_device
        from models.encoders.factory import load_text_encoder
        from models.encoders.stream import encode_texts

        encoder = load_text_encoder(
            self.encoder, weights=self.weights, device=choose_device(self.device)
        )

        def compute(rows: pl.DataFrame) -> pl.DataFrame:
            texts = rows.select("content_sha256", *self.columns).iter_rows()
            encoded = encode_texts(texts, encoder, batch_size=_TEXTS_AT_ONCE, progress=progress)
            weighed = (replace(part, features=self.weigh(part.features)) for part in encoded)
            return encoded_rows(weighed, encoder.device)

        return compute


def _with_key(texts: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    keys = [
        hashlib.sha256(json.dumps(read).encode()).hexdigest()
        for read in texts.select(columns).iter_rows()
    ]
    return texts.with_columns(content_sha256=pl.Series(keys, dtype=pl.String))

"""The embeddings tables, one per modality: shared-space vectors and the tower's own features."""

from collections.abc import Callable

import dagster as dg
import numpy as np
import polars as pl
import pyarrow as pa

from assets.alignment import load_head, varying_contents
from assets.automation import after_change_of
from assets.encoding import list_column
from assets.pictures import shared_space
from assets.stage import Stamp
from assets.table_asset import Making, table_asset
from assets.text_encoding import item_texts, review_rows
from crossmodal.lake import Lake
from crossmodal.modalities import TOWERS, modality_of
from crossmodal.workspace import Workspace
from models.assembly import matrix
from models.encoders.item_text import whole_text

_VECTORS = pa.list_(pa.float32())
EMBEDDINGS_SCHEMA = pa.schema(
    [
        ("item_id", pa.string()),
        ("event_timestamp", pa.timestamp("us", tz="UTC")),
        ("embedding", _VECTORS),
        ("features", _VECTORS),
        ("encoder", pa.string()),
        ("fingerprint", pa.string()),
        ("content_sha256", pa.string()),
    ]
)
_CHUNK = 2048
_DRAWN_ITEMS = 2000
ToSharedSpace = Callable[[np.ndarray], np.ndarray]


@table_asset(
    inputs=["items", "text_features"],
    automation=after_change_of(),
    group="embeddings",
    kinds={"parquet"},
    code_version="2",
)
def text_embeddings(making: Making) -> None:
    """Text is the anchor: the vectors of the whole texts are the shared space."""
    texts = item_texts(making.lake.scan("items"))
    contents = texts.select("item_id", "created_at", "content_sha256")
    _write_embeddings(making.workspace, "text", contents, whole_text, making.stamp)


def _tower_embeddings(tower: str) -> dg.AssetsDefinition:
    table = f"{tower}_embeddings"
    inputs = (f"{tower}_features", f"{tower}_alignment", "text_embeddings", "media", "items")

    @table_asset(
        name=table,
        inputs=inputs,
        pictures=(f"shared_space_{tower}",),
        description=f"The {tower} of every item that has one, in the shared space.",
        automation=after_change_of(),
        group="embeddings",
        kinds={"parquet"},
        code_version="2",
    )
    def embeddings(making: Making) -> None:
        head = load_head(making.workspace, tower)
        contents = varying_contents(making.lake, tower)
        _write_embeddings(making.workspace, tower, contents, head.transform, making.stamp)
        _draw_shared_space(making.workspace, tower)

    return embeddings


tower_embeddings = [_tower_embeddings(tower) for tower in TOWERS]


@table_asset(
    inputs=["review_texts", "interactions"],
    group="embeddings",
    kinds={"parquet"},
    code_version="1",
)
def reviews_embeddings(making: Making) -> None:
    """What had been written about each item by the end of each month, and known from then on."""
    with making.lake.writer("reviews_embeddings", EMBEDDINGS_SCHEMA, making.stamp) as writer:
        rows = _review_snapshots(making.lake, modality_of("reviews").encoder(making.settings))
        writer.write(rows)
        writer.summarise(items=rows["item_id"].n_unique())


def _review_snapshots(lake: Lake, encoder: str) -> pl.DataFrame:
    from models.encoders.reviews import cumulative_reviews

    vectors = lake.scan("review_texts").select("text", "fingerprint", "features")
    written = review_rows(lake).join(vectors, on="text").sort("item_id", "event_timestamp", "text")
    rows = written.collect()
    ids = rows["item_id"].unique().sort()
    dense = rows["item_id"].replace_strict(ids, range(len(ids)), return_dtype=pl.Int32)
    items, known_at, means = cumulative_reviews(
        dense.to_numpy(),
        rows["event_timestamp"].dt.timestamp("us").to_numpy(),
        matrix(rows["features"]),
    )
    norms = np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    return pl.DataFrame(
        {
            "item_id": ids.gather(items),
            "event_timestamp": pl.Series(known_at).cast(pl.Datetime("us", "UTC")),
            "embedding": list_column(means / norms, "embedding"),
            "features": list_column(means, "features"),
        }
    ).with_columns(
        encoder=pl.lit(encoder),
        fingerprint=pl.lit(rows["fingerprint"][0] if rows.height else ""),
        content_sha256=pl.lit(""),
    )


def _write_embeddings(
    workspace: Workspace,
    modality: str,
    contents: pl.DataFrame,
    to_shared_space: ToSharedSpace,
    stamp: Stamp,
) -> None:
    """One row per item that has the modality, in the order of the items, chunk by chunk.

    Args:
        workspace: whose lake holds `<modality>_features` and takes `<modality>_embeddings`.
        modality: of the tables.
        contents: item_id, created_at (when the item became known), content_sha256.
        to_shared_space: tower features (n, d) to unit vectors (n, 384).
        stamp: of the new version.
    """
    lake = workspace.lake
    features = lake.scan(f"{modality}_features")
    encoder = modality_of(modality).encoder(workspace.settings)
    with lake.writer(f"{modality}_embeddings", EMBEDDINGS_SCHEMA, stamp) as writer:
        for chunk in contents.sort("item_id").iter_slices(_CHUNK):
            joined = chunk.lazy().join(features, on="content_sha256").sort("item_id")
            rows = joined.select(
                "item_id", "created_at", "content_sha256", "fingerprint", "features"
            )
            frame = rows.rename({"created_at": "event_timestamp"}).collect()
            if frame.is_empty():
                continue
            shared = to_shared_space(matrix(frame["features"]))
            writer.write(
                frame.with_columns(list_column(shared, "embedding"), encoder=pl.lit(encoder))
            )
        writer.summarise(items_without=lake.version("items").rows - writer.rows)


def _draw_shared_space(workspace: Workspace, tower: str) -> None:
    """Texts next to a tower's vectors of the same items, coloured by their first category."""
    lake = workspace.lake
    texts = lake.scan("text_embeddings").select("item_id", text="embedding")
    vectors = lake.scan(f"{tower}_embeddings").select("item_id", own="embedding")
    groups = lake.scan("items").select("item_id", group=pl.col("categories").list.first())
    both = texts.join(vectors, on="item_id").join(groups, on="item_id").sort("item_id")
    rows = both.head(_DRAWN_ITEMS).collect()
    if rows.height:
        shared_space(
            workspace.paths.pictures / f"shared_space_{tower}.png",
            {"text": matrix(rows["text"]), tower: matrix(rows["own"])},
            rows["group"].fill_null("none").to_list(),
        )

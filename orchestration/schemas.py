"""What each table of the contract must look like, as pandera schemas."""

from typing import Any

import pandera.polars as pa
import polars as pl

from crossmodal.modalities import MEDIA_KINDS

_TIME = pl.Datetime("us", "UTC")
_STATES = ["ok", "missing", "broken"]


def _column(dtype: Any, **options: Any) -> pa.Column:
    """A column that holds no null unless it says so."""
    return pa.Column(dtype, **{"nullable": False, **options})


INTERACTIONS = pa.DataFrameSchema(
    {
        "user_id": _column(pl.String, checks=pa.Check.str_length(64, 64)),
        "item_id": _column(pl.String),
        "value": _column(pl.Float32),
        "event_type": _column(pl.String),
        "text": _column(pl.String, nullable=True),
        "event_timestamp": _column(_TIME),
    },
    strict=True,
    name="interactions",
)

ITEMS = pa.DataFrameSchema(
    {
        "item_id": _column(pl.String, unique=True),
        "title": _column(pl.String),
        "text": _column(pl.String, nullable=True),
        "categories": _column(pl.List(pl.String)),
        "attributes": _column(pl.List(pl.Struct({"name": pl.String, "value": pl.Float64}))),
        "released_at": _column(_TIME, nullable=True),
        "created_at": _column(_TIME),
    },
    strict=True,
    name="items",
)

MEDIA = pa.DataFrameSchema(
    {
        "item_id": _column(pl.String),
        "modality": _column(pl.String, checks=pa.Check.isin(MEDIA_KINDS)),
        "uri": _column(pl.String, nullable=True),
        "sha256": _column(pl.String, nullable=True),
        "mime": _column(pl.String, nullable=True),
        "bytes": _column(pl.Int64, nullable=True),
        "width": _column(pl.Int32, nullable=True),
        "height": _column(pl.Int32, nullable=True),
        "seconds": _column(pl.Float64, nullable=True),
        "status": _column(pl.String, checks=pa.Check.isin(_STATES)),
        "error": _column(pl.String, nullable=True),
        "note": _column(pl.String, nullable=True),
    },
    unique=["item_id", "modality"],
    strict=True,
    name="media",
)

EMBEDDINGS = pa.DataFrameSchema(
    {
        "item_id": _column(pl.String),
        "event_timestamp": _column(_TIME),
        "embedding": _column(pl.List(pl.Float32)),
        "features": _column(pl.List(pl.Float32)),
        "encoder": _column(pl.String),
        "fingerprint": _column(pl.String),
        "content_sha256": _column(pl.String),
    },
    unique=["item_id", "event_timestamp"],
    strict=True,
    name="embeddings",
)

RECOMMENDATIONS = pa.DataFrameSchema(
    {
        "user_id": _column(pl.String),
        "rank": _column(pl.Int32, checks=pa.Check.ge(1)),
        "item_id": _column(pl.String),
        "score": _column(pl.Float32),
        "model_version": _column(pl.String),
        "generated_at": _column(_TIME),
        "reasons": _column(pl.List(pl.String)),
    },
    unique=["user_id", "rank"],
    strict=True,
    name="recommendations",
)

CONTRACTS = {
    schema.name: schema for schema in (INTERACTIONS, ITEMS, MEDIA, EMBEDDINGS, RECOMMENDATIONS)
}

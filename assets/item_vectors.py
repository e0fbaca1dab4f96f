"""What made the item vectors of a lake. Without Dagster, since commands read it too."""

import polars as pl

from crossmodal.lake import Lake
from crossmodal.modalities import MODALITIES

VECTOR_TABLES = tuple(f"{modality}_embeddings" for modality in MODALITIES)
"""The tables of the item vectors."""


def encoders_of(lake: Lake) -> dict[str, str]:
    """The fingerprint of what made the item vectors, by modality that some item has."""
    found = {}
    for modality, table in zip(MODALITIES, VECTOR_TABLES, strict=True):
        if lake.exists(table) and lake.version(table).rows:
            fingerprint = lake.scan(table).select(pl.col("fingerprint").first()).collect().item()
            found[modality] = str(fingerprint)
    return found

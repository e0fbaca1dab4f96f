"""Behavioural features, and everything in Feast: registry and online store."""

import dagster as dg
import polars as pl

from assets.stage import OWNERS, Context, made_from, materialize_table
from crossmodal.lake import Lake
from crossmodal.workspace import Workspace
from models.data import MODALITIES


def positive_events(lake: Lake) -> pl.LazyFrame:
    """Events that say a user wanted an item: those with a positive weight."""
    return lake.scan_partitions("interactions").filter(pl.col("value") > 0)

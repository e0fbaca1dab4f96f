"""What users were shown in answers, for models that can learn from what was not chosen."""

from dataclasses import replace

import numpy as np
import polars as pl

from assets.assembled_splits import assembled_split
from assets.stage import filled, input_version
from assets.table_asset import Choices, Making, table_asset
from crossmodal.lake import Lake
from crossmodal.workspace import Workspace
from models.catalogue import ModelEntry
from models.data import NEVER, Dataset, Impressions
from models.splits.names import USER_RANDOM

IMPRESSIONS = "impressions"
_PAIR = ["user_id", "item_id"]


@table_asset(
    inputs=["reported_events", "interactions"],
    group="training",
    kinds={"polars", "parquet"},
    code_version="1",
)
def impressions(making: Making) -> None:
    """Each item that an answer showed to a user, and when that user first acted on it."""
    from models.drift.clicks import shown_items

    lake = making.lake
    shown = shown_items(lake.scan("reported_events")).select(*_PAIR, "event_timestamp")
    acts = lake.scan_partitions("interactions").join(shown.lazy(), on=_PAIR, how="semi")
    first = acts.group_by(_PAIR).agg(acted_at=pl.col("event_timestamp").min()).collect()
    frame = shown.join(first, on=_PAIR, how="left", maintain_order="left")
    lake.write(
        IMPRESSIONS, frame, making.stamp, never_acted_on=int(frame["acted_at"].is_null().sum())
    )


def impressions_read(entry: ModelEntry, workspace: Workspace) -> tuple[str, ...]:
    """The table of impressions, where a model learns from it and it has a row."""
    if not (entry.impressions and workspace.settings.hybrid_impressions):
        return ()
    return filled(workspace.lake, (IMPRESSIONS,))


def choices_of_impressions(entry: ModelEntry, workspace: Workspace) -> Choices:
    """What a model's stamp says of impressions: nothing where it learns from none.

    As an input of the asset, each new impression would make it again where the setting is off too.
    """
    read = impressions_read(entry, workspace)
    return {table: input_version(workspace.lake, table) for table in read}


def learned_from(entry: ModelEntry, workspace: Workspace, split: str) -> Dataset:
    """What a model is fitted to on a split, with impressions where it learns from them."""
    dataset = assembled_split(workspace, split).dataset
    # Without times, what a split holds out is not later than the rest.
    if split == USER_RANDOM or not impressions_read(entry, workspace):
        return dataset
    return replace(dataset, impressions=_known_by_its_end(workspace.lake, dataset))


def _known_by_its_end(lake: Lake, dataset: Dataset) -> Impressions:
    """What was shown to each user by the last event that a model may learn from."""
    frame = lake.read(IMPRESSIONS)
    shown = Impressions(
        dataset.user_ids.indexes(frame["user_id"].to_list()),
        dataset.item_ids.indexes(frame["item_id"].to_list()),
        frame["event_timestamp"].dt.timestamp("us").to_numpy(),
        frame["acted_at"].dt.timestamp("us").fill_null(NEVER).to_numpy(),
    )
    of_dataset = shown.take((shown.users >= 0) & (shown.items >= 0))
    parts = (dataset.train, dataset.validation)
    return of_dataset.known_at(np.maximum(*(part.newest(dataset.n_users) for part in parts)))

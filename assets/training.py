"""From features to fitted models: splits, the training frame, item tokens, one asset a model."""

import dagster as dg
import numpy as np
import polars as pl

from assets.datasets import (
    COLD_ITEM,
    STATIC_MODALITIES,
    USER_TEMPORAL,
)
from assets.features import newest_event, positive_events
from assets.stage import OWNERS, Context, made_from, materialize_table
from crossmodal.workspace import Workspace
from models.assembly import EventLog, event_log
from models.splits import Split, cold_item, random_split, user_temporal

RANKED_SPLITS = (USER_TEMPORAL, COLD_ITEM)
_PARTS = ("train", "validation", "test")


@dg.asset(
    deps=["interactions", "items"],
    group_name="training",
    owners=OWNERS,
    kinds={"numpy", "parquet"},
    code_version="1",
)
def splits(context: Context, workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """Which events a model may learn from, which stop its training, and which judge it."""
    lake = workspace.lake
    seed = workspace.settings.seed
    stamp = made_from(context, workspace, "interactions", "items", seed=seed)

    def make() -> None:
        item_ids = lake.scan("items").select("item_id").collect().to_series()
        frame = positive_events(lake).select("user_id", "item_id", "value", "event_timestamp")
        log = event_log(frame.collect(), item_ids.to_list())
        made = [
            user_temporal(log.events, len(log.user_ids), seed),
            cold_item(log.events, len(log.item_ids), seed),
            random_split(len(log.events), seed),
        ]
        lake.write("cold_items", _cold_items(log, made[1]), stamp)
        columns = {split.name: _parts(split) for split in made}
        lake.write(
            "splits",
            frame.collect()[log.order.tolist()].with_columns(**columns),
            stamp,
            parts=[
                {"split": split.name, **{part: int(getattr(split, part).sum()) for part in _PARTS}}
                for split in made
            ],
        )

    intact = lake.exists("cold_items")
    return materialize_table(context, workspace, "splits", stamp, make, intact=intact)


def _parts(split: Split) -> pl.Series:
    names = np.select([split.train, split.validation], _PARTS[:2], default=_PARTS[2])
    return pl.Series(names)


def _cold_items(log: EventLog, split: Split) -> pl.DataFrame:
    ids = np.array(log.item_ids.ids)
    held = {"validation": split.validation_candidates, "test": split.test_candidates}
    return pl.concat(
        pl.DataFrame({"item_id": pl.Series(ids[mask], dtype=pl.String)}).with_columns(
            part=pl.lit(part)
        )
        for part, mask in held.items()
        if mask is not None
    )


@dg.asset(
    deps=["splits", "feature_registry", "item_statistics", "user_statistics"],
    group_name="training",
    owners=OWNERS,
    kinds={"feast", "duckdb"},
    code_version="1",
)
def training_frame(
    context: Context, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult:
    """Every event beside what Feast knew of its user and item strictly before it."""
    lake = workspace.lake
    inputs = ("splits", "feature_registry", "item_statistics", "user_statistics")
    stamp = made_from(context, workspace, *inputs)

    def make() -> None:
        from feature_repo.store import historical

        events = lake.read("splits").select("user_id", "item_id", "value", "event_timestamp")
        lake.write("training_frame", historical(workspace.paths, events, "ranking"), stamp)

    return materialize_table(context, workspace, "training_frame", stamp, make)


_EMBEDDINGS = tuple(f"{modality}_embeddings" for modality in STATIC_MODALITIES)


@dg.asset(
    name="item_tokens",
    deps=["items", "feature_registry", *_EMBEDDINGS],
    group_name="training",
    owners=OWNERS,
    kinds={"feast", "duckdb"},
    code_version="1",
)
def item_token_table(
    context: Context, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult:
    """The towers' features of every item, read from Feast: null where an item lacks a modality."""
    lake = workspace.lake
    stamp = made_from(context, workspace, "items", "interactions", "feature_registry", *_EMBEDDINGS)

    def make() -> None:
        from feature_repo.store import historical

        keys = lake.scan("items").select("item_id").collect()
        asked = keys.with_columns(event_timestamp=pl.lit(newest_event(lake)).dt.offset_by("1s"))
        references = [f"item_{name}_features:features" for name in STATIC_MODALITIES]
        found = historical(workspace.paths, asked, references)
        renamed = {f"item_{name}_features__features": name for name in STATIC_MODALITIES}
        lake.write("item_tokens", found.rename(renamed), stamp)

    return materialize_table(context, workspace, "item_tokens", stamp, make)

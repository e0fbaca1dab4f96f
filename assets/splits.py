"""Which events the models may learn from, which stop their training, and which judge them."""

from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl

from assets.judging import judging
from assets.table_asset import Making, table_asset
from crossmodal.lake import Lake
from feature_repo.events import positive_events
from models.assembly import IndexedEvents, indexed_events
from models.splits import (
    Split,
    cold_item,
    global_temporal,
    limited_to_judges,
    random_split,
    user_temporal,
)
from models.splits.names import USER_RANDOM

_PARTS = ("train", "validation", "test")
_UNUSED = "unused"
"""Part of held-out events of users beyond those who judge."""
_NO_TIMES = (
    f"The events have no times: the splits by time are left out, and {USER_RANDOM}, in which each "
    "user's held-out events are drawn, chooses the champion."
)


def _is_timeless(lake: Lake) -> bool:
    return bool(lake.version("staged_interactions").summary.get("timeless"))


@table_asset(
    inputs=["interactions", "items"],
    # It is read for one fact, which is a choice here.
    after=["staged_interactions"],
    also_writes=["cold_items"],
    choices=lambda workspace: {
        "seed": workspace.settings.seed,
        "timeless": _is_timeless(workspace.lake),
        "judging_users": workspace.settings.judging_users,
    },
    group="training",
    kinds={"numpy", "parquet"},
    code_version="7",
)
def splits(making: Making) -> None:
    """Which events a model may learn from, which stop its training, and which judge it.

    Without times, the order of each user's events is drawn: what is held out as the last ones is
    random then, and there is no split by one instant.
    """
    lake, log_of_run, seed = making.lake, making.context.log, making.settings.seed
    timeless = _is_timeless(lake)
    item_ids = lake.scan("items").select("item_id").collect().to_series()
    columns = ("user_id", "item_id", "value", "event_timestamp")
    events = positive_events(lake).select(columns).collect()
    log = indexed_events(events, item_ids.to_list(), seed)
    limited = partial(
        limited_to_judges, users=log.events.users, most=making.settings.judging_users, seed=seed
    )
    cold = limited(cold_item(log.events, len(log.item_ids), seed))
    last = limited(user_temporal(log.events, len(log.user_ids)))
    later = limited(global_temporal(log.events))
    known = [replace(last, name=USER_RANDOM)] if timeless else [last, later]
    made = [*known, cold, random_split(len(log.events), seed)]
    lake.write("cold_items", _cold_items(log, cold), making.stamp)
    frame = events[log.order.tolist()].with_columns(**{split.name: _parts(split) for split in made})
    judgement = judging(frame, known[0].name)
    if timeless:
        log_of_run.warning(_NO_TIMES)
    if judgement.fault:
        log_of_run.warning(f"{judgement.held}. No model can be judged: {judgement.fault}.")
    lake.write(
        "splits",
        frame,
        making.stamp,
        seed=seed,
        too_few=judgement.fault,
        parts=[
            {"split": split.name, **{part: int(getattr(split, part).sum()) for part in _PARTS}}
            for split in made
        ],
    )


def _parts(split: Split) -> pl.Series:
    masks = [split.train, split.validation, split.test]
    return pl.Series(np.select(masks, _PARTS, default=_UNUSED))


def _cold_items(log: IndexedEvents, split: Split) -> pl.DataFrame:
    ids = np.array(log.item_ids.ids)
    held = {"validation": split.validation_candidates, "test": split.test_candidates}
    return pl.concat(
        pl.DataFrame({"item_id": pl.Series(ids[mask], dtype=pl.String)}).with_columns(
            part=pl.lit(part)
        )
        for part, mask in held.items()
        if mask is not None
    )

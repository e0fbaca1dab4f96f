"""How far the figures depend on what nothing decides: the order of events of one instant."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from assets.datasets import warm_split
from assets.judging import why_not_judged
from assets.recipes import choices_of
from assets.table_asset import Making, table_asset
from crossmodal.workspace import Workspace
from models.assembly import dataset, indexed_events
from models.catalogue import CATALOGUE, ModelEntry
from models.splits import user_temporal
from models.splits.names import USER_RANDOM

if TYPE_CHECKING:
    from models.evaluation import TieSensitivity

_COUNTING = tuple(
    entry for entry in CATALOGUE if entry.name in ("popularity", "item_knn", "transition")
)
"""Each is fitted once an order, so that they are models that only count."""

_ORDERS = 5
_MOST_USERS = 2000
"""Users who judge in each order: the spread is that of means over at most so many."""
_SCHEMA = pl.Schema(
    {
        "model": pl.String(),
        "split": pl.String(),
        "metric": pl.String(),
        "k": pl.Int32(),
        "mean": pl.Float64(),
        "spread": pl.Float64(),
        "seeds": pl.List(pl.Int64),
        "values": pl.List(pl.Float64),
    }
)


def _fitted_by(workspace: Workspace) -> dict[str, Any]:
    settings = workspace.settings
    recipes = {entry.name: [entry.code_version, choices_of(entry, settings)] for entry in _COUNTING}
    return {"choices": recipes, "seed": settings.seed}


@table_asset(
    inputs=["splits", "items"],
    choices=_fitted_by,
    group="evaluation",
    kinds={"numpy", "parquet"},
    code_version="1",
)
def tie_sensitivity(making: Making) -> None:
    """NDCG@10 with ties in several orders, each split, fitted and judged again."""
    from models import evaluation

    workspace, seed = making.workspace, making.settings.seed
    rows = []
    warm = warm_split(making.lake)
    entries = [
        entry
        for entry in (() if why_not_judged(making.lake) else _COUNTING)
        if not (entry.ordered and warm == USER_RANDOM)
    ]
    for done, entry in enumerate(entries, start=1):
        figures = partial(_figures, workspace, entry)
        sensitivity = evaluation.tie_sensitivity(figures, range(seed, seed + _ORDERS))
        rows.append(_row(entry.name, warm, sensitivity))
        workspace.progress(f"Ties in {_ORDERS} orders", done, len(entries))
    making.lake.write("tie_sensitivity", pl.DataFrame(rows, schema=_SCHEMA), making.stamp)


def _figures(workspace: Workspace, entry: ModelEntry, seed: int) -> np.ndarray:
    """NDCG@10 of each user, with the ties of all users in the order of this seed."""
    from models.evaluation import user_measure

    lake, settings = workspace.lake, workspace.settings
    item_ids = lake.scan("items").select("item_id").collect().to_series().to_list()
    log = indexed_events(lake.read("splits"), item_ids, seed)
    most = min(settings.judging_users, _MOST_USERS)
    split = user_temporal(log.events, len(log.user_ids), most, settings.seed)
    data = dataset(log, split.train, split.validation, {})
    model = entry.build(choices_of(entry, settings), settings.device, lambda epoch: None)
    measure = user_measure(data, log.events.take(split.test), seed=settings.seed)
    return measure(model.fit(data))


def _row(model: str, split: str, sensitivity: "TieSensitivity") -> dict[str, Any]:
    return {
        "model": model,
        "split": split,
        "metric": "ndcg",
        "k": 10,
        "mean": sensitivity.mean,
        "spread": sensitivity.spread,
        "seeds": list(sensitivity.seeds),
        "values": sensitivity.means.tolist(),
    }

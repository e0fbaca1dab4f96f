"""How far the figures depend on what nothing decides: the order of events of one instant."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from assets.datasets import warm_split
from assets.judging import why_not_judged
from assets.recipes import choices_of
from assets.table_asset import Making, table_asset
from crossmodal.workspace import Workspace
from models.assembly import IndexedEvents, dataset, indexed_events
from models.catalogue import CATALOGUE, ModelEntry
from models.data import Dataset, Interactions
from models.splits import limited_to_judges, user_temporal
from models.splits.names import USER_RANDOM

if TYPE_CHECKING:
    from models.evaluation import TieSensitivity

_COUNTING = tuple(
    entry for entry in CATALOGUE if entry.name in ("popularity", "item_knn", "transition")
)
"""Each is fitted once an order, so that they are models that only count."""

_ORDERS = 5
_MOST_USERS, _JUDGES = 5_000, 2000
"""Users whose events are read, and of these the ones who judge in each order, at most: the spread
is that of means over so many."""

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
    code_version="3",
)
def tie_sensitivity(making: Making) -> None:
    """NDCG@10 with ties in several orders, each split, fitted and judged again."""
    from models import evaluation
    from models.threads import threads

    workspace, seed = making.workspace, making.settings.seed
    warm = warm_split(making.lake)
    entries = [
        entry
        for entry in (() if why_not_judged(making.lake) else _COUNTING)
        if not (entry.ordered and warm == USER_RANDOM)
    ]
    orders = range(seed, seed + _ORDERS) if entries else range(0)
    item_ids = making.lake.scan("items").select("item_id").collect().to_series().to_list()
    events = _of_some_users(making.lake.read("splits"), seed)

    def judged(order: int) -> dict[str, np.ndarray]:
        log = indexed_events(events, item_ids, order)
        held_out = _held_out(log, min(making.settings.judging_users, _JUDGES), seed)
        return {entry.name: _figures(workspace, entry, held_out) for entry in entries}

    figures: dict[str, dict[int, np.ndarray]] = {entry.name: {} for entry in entries}
    with threads() as pool:
        for order, values in zip(orders, pool.map(judged, orders), strict=True):
            for name, of_users in values.items():
                figures[name][order] = of_users
            workspace.progress(f"Ties in {_ORDERS} orders", order - seed + 1, len(orders))
    rows = [
        _row(name, warm, evaluation.tie_sensitivity(of_order.__getitem__, orders))
        for name, of_order in figures.items()
    ]
    making.lake.write("tie_sensitivity", pl.DataFrame(rows, schema=_SCHEMA), making.stamp)


@dataclass(frozen=True)
class _HeldOut:
    """What models learn from, and what judges them, with the ties of all users in one order."""

    data: Dataset
    test: Interactions


def _held_out(log: IndexedEvents, judges: int, seed: int) -> _HeldOut:
    last = user_temporal(log.events, len(log.user_ids))
    split = limited_to_judges(last, log.events.users, judges, seed)
    return _HeldOut(dataset(log, split.train, split.validation, {}), log.events.take(split.test))


def _of_some_users(events: pl.DataFrame, seed: int) -> pl.DataFrame:
    users = events["user_id"].unique().sort()
    if len(users) <= _MOST_USERS:
        return events
    drawn = users.sample(_MOST_USERS, seed=seed).implode()
    return events.filter(pl.col("user_id").is_in(drawn))


def _figures(workspace: Workspace, entry: ModelEntry, held_out: _HeldOut) -> np.ndarray:
    """NDCG@10 of each user who judges."""
    from models.evaluation import user_measure

    settings = workspace.settings
    model = entry.build(choices_of(entry, settings), settings.device, lambda epoch: None)
    measure = user_measure(held_out.data, held_out.test, seed=settings.seed)
    return measure(model.fit(held_out.data))


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

"""A morning's champion, the first night's and popularity, judged by the next week's events."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from assets.registry import open_registry
from crossmodal.pseudonyms import pseudonymize
from crossmodal.workspace import Workspace
from feature_repo.events import COLUMNS, positive_events
from models.assembly import dataset, indexed_events
from models.baselines import Popularity
from models.evaluation import PairedDifference, paired_difference, user_measure
from models.protocol import Recommender
from models.reindexed import Reindexed

_SAMPLES = 10_000


@dataclass(frozen=True)
class Answering:
    """A model that answers, or once did: its version, its item ids, and itself."""

    version: str
    item_ids: Sequence[str]
    model: Recommender


@dataclass(frozen=True)
class Morning:
    """What a night was worth: mean NDCG@10 over the users of the next week.

    Attributes:
        night: its number.
        champion: the version that answers this morning.
        ndcg: of that version.
        frozen_ndcg: of the version that answered before the first night.
        popularity_ndcg: of the popular list, with the events up to this morning.
        difference: champion less frozen, paired by user.
        over_popularity: champion less popularity, paired by user.
    """

    night: int
    champion: str
    ndcg: float
    frozen_ndcg: float
    popularity_ndcg: float
    difference: PairedDifference
    over_popularity: PairedDifference


def answering(workspace: Workspace) -> Answering:
    """The version that answers now, loaded as the service loads it.

    Raises:
        LookupError: there is none.
    """
    registry = open_registry(workspace)
    version = registry.champion()
    if version is None:
        raise LookupError(f"No model answers in {workspace.paths.home}.")
    return Answering(version, registry.item_ids(version), registry.load(version))


def judged(
    workspace: Workspace, night: int, frozen: Answering, week: pl.DataFrame, seed: int
) -> Morning:
    """Asks the models about the users of the next week, with the histories of this morning.

    Args:
        workspace: of the home.
        night: its number.
        frozen: what answered before the first night.
        week: user_id (raw), item_id, value, event_timestamp of the next week.
        seed: orders ties.
    """
    now = answering(workspace)
    known = positive_events(workspace.lake).select(COLUMNS).collect()
    named = pseudonymize(week.select(COLUMNS), workspace.key_of_users())
    events = pl.concat([known.with_columns(new=False), named.with_columns(new=True)])
    catalogue = workspace.lake.read("items")["item_id"].sort().to_list()
    events = events.filter(pl.col("item_id").is_in(catalogue))
    log = indexed_events(events.drop("new"), catalogue, seed)
    new = events["new"].to_numpy()[log.order]
    data = dataset(log, ~new, np.zeros_like(new), tokens={})
    measure = user_measure(data, log.events.take(new), metric="ndcg", k=10, seed=seed)
    today, before = (
        measure(Reindexed(one.model, one.item_ids, data.item_ids, seed)) for one in (now, frozen)
    )
    popular = measure(Popularity().fit(data))
    return Morning(
        night=night,
        champion=now.version,
        ndcg=float(np.nanmean(today)),
        frozen_ndcg=float(np.nanmean(before)),
        popularity_ndcg=float(np.nanmean(popular)),
        difference=paired_difference(today, before, _SAMPLES, seed),
        over_popularity=paired_difference(today, popular, _SAMPLES, seed),
    )

"""RecTools' two-stage model: its own retrievers, and trees that rank what they found."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from catboost import CatBoostRanker
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from lightgbm import LGBMRanker
from rectools import Columns
from rectools.dataset import Dataset
from rectools.model_selection import LastNSplitter
from rectools.models import (
    EASEModel,
    ImplicitALSWrapperModel,
    ImplicitItemKNNWrapperModel,
    PopularModel,
)
from rectools.models.base import ModelBase
from rectools.models.ranking import (
    CandidateFeatureCollector,
    CandidateGenerator,
    CandidateRankingModel,
    CatBoostReranker,
    PerUserNegativeSampler,
    Reranker,
)

from .rectools_networks import esasrec

_DAYS = (30, 365)
_NOWHERE = 10_000.0
"""The rank, and minus the score, of an item that a retriever did not find."""


class ActivityFeatures(CandidateFeatureCollector):
    """What a user of the library would take from the events alone: counts and times."""

    def _get_item_features(
        self, items: Sequence[int], dataset: Dataset, fold_info: Mapping[str, Any] | None
    ) -> pd.DataFrame:
        events = dataset.get_raw_interactions()
        age = _age(events)
        by_item = events.groupby(Columns.Item)
        table = pd.DataFrame({"item_events": by_item.size()})
        for days in _DAYS:
            recent = events[age < days].groupby(Columns.Item).size()
            table[f"item_events_{days}d"] = recent.reindex(table.index, fill_value=0)
        table["item_first_seen"] = age.groupby(events[Columns.Item]).max()
        table["item_last_seen"] = age.groupby(events[Columns.Item]).min()
        return table.loc[table.index.isin(items)].rename_axis(Columns.Item).reset_index()

    def _get_user_features(
        self, users: Sequence[int], dataset: Dataset, fold_info: Mapping[str, Any] | None
    ) -> pd.DataFrame:
        events = dataset.get_raw_interactions()
        age, owner = _age(events), events[Columns.User]
        counts = events[Columns.Item].map(events[Columns.Item].value_counts())
        table = pd.DataFrame(
            {
                "user_events": owner.value_counts(),
                "user_mean_popularity": np.log1p(counts).groupby(owner).mean(),
                "user_last_seen": age.groupby(owner).min(),
                "user_mean_age": age.groupby(owner).mean(),
            }
        )
        return table.loc[table.index.isin(users)].rename_axis(Columns.User).reset_index()


class LightGBMReranker(Reranker):
    """LambdaRank: the library's own reranker hands over no groups."""

    def prepare_fit_kwargs(self, candidates_with_target: pd.DataFrame) -> dict[str, Any]:
        """Features, targets, and the number of rows of each user."""
        rows = candidates_with_target.sort_values(Columns.UserItem)
        groups = rows.groupby(Columns.User, sort=True).size().to_numpy()
        return {**super().prepare_fit_kwargs(rows), "group": groups}


def two_stage(seed: int, settings: Mapping[str, Any]) -> CandidateRankingModel:
    """The model of these settings.

    Args:
        seed: of everything that is drawn.
        settings: `candidates`, of each retriever; `last`, how many events of each user the ranker
            learns from; `negatives`, of each user; `ranker`, `lightgbm` or `catboost`; `trees` and
            `learning_rate`, of the ranker; `esasrec`, the settings of that retriever.
    """
    generators = [
        CandidateGenerator(
            model,
            settings["candidates"],
            keep_ranks=True,
            keep_scores=True,
            ranks_fillna_value=_NOWHERE,
            scores_fillna_value=-_NOWHERE,
        )
        for model in _retrievers(seed, settings["esasrec"])
    ]
    return CandidateRankingModel(
        generators,
        LastNSplitter(n=settings["last"], n_splits=1),
        _reranker(seed, settings),
        PerUserNegativeSampler(settings["negatives"], random_state=seed),
        ActivityFeatures(),
    )


def _retrievers(seed: int, network: Mapping[str, Any]) -> list[ModelBase]:
    factors = AlternatingLeastSquares(factors=64, regularization=2.0, random_state=seed)
    return [
        esasrec(**network),
        EASEModel(regularization=300.0),
        ImplicitItemKNNWrapperModel(CosineRecommender(K=200)),
        ImplicitALSWrapperModel(factors),
        PopularModel(),
    ]


def _reranker(seed: int, settings: Mapping[str, Any]) -> Reranker:
    shared = {"learning_rate": settings["learning_rate"], "random_state": seed}
    if settings["ranker"] == "lightgbm":
        trees = LGBMRanker(
            n_estimators=settings["trees"],
            deterministic=True,
            force_row_wise=True,
            verbosity=-1,
            **shared,
        )
        return LightGBMReranker(trees)
    ranker = CatBoostRanker(
        iterations=settings["trees"], verbose=False, allow_writing_files=False, **shared
    )
    return CatBoostReranker(ranker)


def _age(events: pd.DataFrame) -> pd.Series:
    """Days from each event to the newest one."""
    times = events[Columns.Datetime]
    return (times.max() - times) / pd.Timedelta(days=1)

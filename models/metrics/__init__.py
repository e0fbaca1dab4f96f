"""What a ranking, a set of lists or a predicted rating is worth."""

from models.metrics._beyond import (
    calibration,
    coverage,
    gini,
    intra_list_diversity,
    novelty,
)
from models.metrics._ranking import RANKING_METRICS, hit_rate, mean_ap, mrr, ndcg, recall
from models.metrics._rating import mse, rmse

__all__ = [
    "RANKING_METRICS",
    "calibration",
    "coverage",
    "gini",
    "hit_rate",
    "intra_list_diversity",
    "mean_ap",
    "mrr",
    "mse",
    "ndcg",
    "novelty",
    "recall",
    "rmse",
]

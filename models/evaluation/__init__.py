"""Full-ranking evaluation with intervals, by segment; every model is judged by the same code."""

from models.evaluation._bootstrap import (
    Intervals,
    PairedDifference,
    bootstrap_interval,
    bootstrap_ratio,
    paired_difference,
)
from models.evaluation._evaluate import Evaluation, EvaluationConfig, evaluate, known_events
from models.evaluation._ranking import Relevance, per_user_metrics, rank_all
from models.evaluation._ratings import RatingPredictor, evaluate_ratings
from models.evaluation._rows import SCHEMA, MetricRow, metrics_frame
from models.evaluation._segments import Segment, segments

__all__ = [
    "SCHEMA",
    "Evaluation",
    "EvaluationConfig",
    "Intervals",
    "MetricRow",
    "PairedDifference",
    "RatingPredictor",
    "Relevance",
    "Segment",
    "bootstrap_interval",
    "bootstrap_ratio",
    "evaluate",
    "evaluate_ratings",
    "known_events",
    "metrics_frame",
    "paired_difference",
    "per_user_metrics",
    "rank_all",
    "segments",
]

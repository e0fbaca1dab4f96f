"""Full-ranking evaluation with intervals, by segment; every model is judged by the same code."""

from models.evaluation._bootstrap import (
    Intervals,
    PairedDifference,
    PairedRatio,
    bootstrap_interval,
    bootstrap_ratio,
    paired_difference,
    paired_differences,
    paired_ratio,
    paired_ratios,
)
from models.evaluation._comparisons import Comparison, compared
from models.evaluation._controls import permuted
from models.evaluation._evaluate import Evaluation, EvaluationConfig, evaluate
from models.evaluation._holm import holm
from models.evaluation._masking import SubsetValues, subset_values
from models.evaluation._measure import Measure, user_measure
from models.evaluation._ranking import (
    Relevance,
    known_events,
    per_user_metrics,
    rank_all,
    tested,
)
from models.evaluation._ratings import RatingPredictor, evaluate_ratings
from models.evaluation._robustness import MissingCurve, losers, missing_curve
from models.evaluation._rows import SCHEMA, MetricRow, metrics_frame
from models.evaluation._segments import Segment, segments
from models.evaluation._self_validated import ValidatedUsersError, own_validation
from models.evaluation._sensitivity import TieSensitivity, tie_sensitivity
from models.evaluation._shapley import shapley_values
from models.evaluation._simultaneous import simultaneous_intervals

__all__ = [
    "SCHEMA",
    "Comparison",
    "Evaluation",
    "EvaluationConfig",
    "Intervals",
    "Measure",
    "MetricRow",
    "MissingCurve",
    "PairedDifference",
    "PairedRatio",
    "RatingPredictor",
    "Relevance",
    "Segment",
    "SubsetValues",
    "TieSensitivity",
    "ValidatedUsersError",
    "bootstrap_interval",
    "bootstrap_ratio",
    "compared",
    "evaluate",
    "evaluate_ratings",
    "holm",
    "known_events",
    "losers",
    "metrics_frame",
    "missing_curve",
    "own_validation",
    "paired_difference",
    "paired_differences",
    "paired_ratio",
    "paired_ratios",
    "per_user_metrics",
    "permuted",
    "rank_all",
    "segments",
    "shapley_values",
    "simultaneous_intervals",
    "subset_values",
    "tested",
    "tie_sensitivity",
    "user_measure",
]

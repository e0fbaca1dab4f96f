"""Our best model beside each other one, on the same users."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.quality.measuring import HEADLINE
from models.evaluation import EvaluationConfig, holm, paired_difference, paired_ratio


def compare(
    best: str,
    per_user: Mapping[str, np.ndarray],
    segments: Mapping[str, np.ndarray],
    split: str,
    config: EvaluationConfig,
) -> list[dict[str, Any]]:
    """Differences and ratios of NDCG@10 to every other model, with 95 % intervals over users.

    p is that of the paired bootstrap; p_holm holds for all models of a segment together.

    Args:
        best: the model that is held against the others.
        per_user: NDCG@10 (n_users,) of each model, for the same users.
        segments: users (n_users,) of each segment.
        split: name for the rows.
        config: resamples and seed.
    """
    rows: list[dict[str, Any]] = []
    for segment, users in segments.items():
        own = [
            _beside(per_user[best][users], values[users], config)
            | {"split": split, "segment": segment, "model": best, "other": other}
            for other, values in per_user.items()
            if other != best
        ]
        corrected = holm(np.array([row["p"] for row in own]))
        rows += [row | {"p_holm": p} for row, p in zip(own, corrected.tolist(), strict=True)]
    return rows


def _beside(own: np.ndarray, other: np.ndarray, config: EvaluationConfig) -> dict[str, Any]:
    difference = paired_difference(own, other, config.samples, config.seed)
    ratio = paired_ratio(own, other, config.samples, config.seed)
    return {
        "metric": HEADLINE[0],
        "k": HEADLINE[1],
        "difference": difference.mean,
        "ci_low": difference.low,
        "ci_high": difference.high,
        "p": difference.p,
        "ratio": ratio.ratio,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "n_users": difference.n_users,
    }

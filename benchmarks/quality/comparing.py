"""Our best model beside each other one, on the same users."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.quality.measuring import HEADLINE
from models.evaluation import EvaluationConfig, holm, paired_differences, paired_ratios


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
        best: the model that is held against the others, of which there is at least one.
        per_user: NDCG@10 (n_users,) of each model, for the same users, without NaN.
        segments: users (n_users,) of each segment.
        split: name for the rows.
        config: resamples and seed.
    """
    others = [name for name in per_user if name != best]
    rows: list[dict[str, Any]] = []
    for segment, users in segments.items():
        own = np.repeat(per_user[best][users, None], len(others), axis=1)
        beside = np.stack([per_user[other][users] for other in others], axis=1)
        rows += [
            {"split": split, "segment": segment, "model": best, "other": other} | figures
            for other, figures in zip(others, _beside(own, beside, config), strict=True)
        ]
    return rows


def _beside(own: np.ndarray, other: np.ndarray, config: EvaluationConfig) -> list[dict[str, Any]]:
    """The figures of every column of (n_users, m), with Holm's correction over the columns."""
    differences = paired_differences(own, other, config.samples, config.seed)
    ratios = paired_ratios(own, other, config.samples, config.seed)
    adjusted = holm(np.array([found.p for found in differences])).tolist()
    return [
        {
            "metric": HEADLINE[0],
            "k": HEADLINE[1],
            "difference": difference.mean,
            "ci_low": difference.low,
            "ci_high": difference.high,
            "p": difference.p,
            "p_holm": p_holm,
            "ratio": ratio.ratio,
            "ratio_low": ratio.low,
            "ratio_high": ratio.high,
            "n_users": difference.n_users,
        }
        for difference, p_holm, ratio in zip(differences, adjusted, ratios, strict=True)
    ]

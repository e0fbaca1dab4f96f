"""Our best model compared with each other one, on the same users."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.quality.measuring import HEADLINE
from models.evaluation import EvaluationConfig, compared


def compare(
    best: str,
    per_user: Mapping[str, np.ndarray],
    segments: Mapping[str, np.ndarray],
    split: str,
    config: EvaluationConfig,
    counts: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """Differences and ratios of NDCG@10 to every other model, with 95 % intervals over users.

    p is that of the paired bootstrap; p_holm is corrected for all models of a segment.

    Args:
        best: the model to compare with the others, of which there is at least one.
        per_user: NDCG@10 (n_users,) of each model, for the same users, without NaN.
        segments: users (n_users,) of each segment.
        split: name for the rows.
        config: resamples and seed.
        counts: (n_users,) how many values of NDCG@10 each user's figure sums up; 1 by default.
    """
    others = [name for name in per_user if name != best]
    rows: list[dict[str, Any]] = []
    for segment, users in segments.items():
        best_values = np.repeat(per_user[best][users, None], len(others), axis=1)
        others_values = np.stack([per_user[other][users] for other in others], axis=1)
        summed = None if counts is None else counts[users]
        comparisons = compared(best_values, others_values, config.samples, config.seed, summed)
        label = {"split": split, "segment": segment, "model": best}
        headline = {"metric": HEADLINE[0], "k": HEADLINE[1]}
        rows += [
            {**label, "other": other, **headline, **vars(comparison)}
            for other, comparison in zip(others, comparisons, strict=True)
        ]
    return rows

"""Several draws of one split as one: means over all of them, and our best compared with the others.

One draw of items is one sample of what is to come: which model is best of them by validation need
not be best by the test. All draws together say it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.quality.comparing import compare
from benchmarks.quality.measuring import HEADLINE
from benchmarks.quality.tables import SplitFigures, best_of_ours
from models.evaluation import EvaluationConfig, bootstrap_ratio

Row = dict[str, Any]


def pooled(draws: Sequence[SplitFigures], config: EvaluationConfig) -> tuple[list[Row], list[Row]]:
    """Rows of the models that answered in every draw, and comparisons of our best with the others.

    A figure is the mean over all pairs of a draw and a user. Users are resampled with all their
    draws, since a user's taste is the same in each. Validation is the mean over draws of the mean
    of each, NaN if a draw has none, as for a peer whose settings were fixed.

    Args:
        draws: two or more of one split, of the same users' vocabulary.
        config: resamples and seed.
    """
    names = [name for name in draws[0].per_user if all(name in draw.per_user for draw in draws)]
    if not names:
        return [], []
    clusters, place = np.unique(np.concatenate([draw.users for draw in draws]), return_inverse=True)
    counts = np.bincount(place).astype(np.float64)
    sums = {
        name: np.bincount(place, np.concatenate([draw.per_user[name] for draw in draws]))
        for name in names
    }
    by_model = [{row["model"]: row for row in draw.models} for draw in draws]
    label = {"split": draws[0].split, "draws": [draw.seed for draw in draws]}
    rows: list[Row] = []
    for name in names:
        interval = bootstrap_ratio(
            sums[name][:, None], counts[:, None], config.samples, config.seed
        )
        rows.append(
            label
            | {
                "model": name,
                "kind": by_model[0][name]["kind"],
                "metric": HEADLINE[0],
                "k": HEADLINE[1],
                "value": float(interval.value[0]),
                "ci_low": float(interval.low[0]),
                "ci_high": float(interval.high[0]),
                "by_draw": [float(draw.per_user[name].mean()) for draw in draws],
                "validation": float(np.mean([of_draw[name]["validation"] for of_draw in by_model])),
                "validation_by_draw": [of_draw[name]["validation"] for of_draw in by_model],
                "n_users": len(clusters),
                "n_pairs": int(counts.sum()),
            }
        )
    if len(names) < 2:
        return rows, []
    everyone = {"all": np.ones(len(clusters), dtype=bool)}
    best = best_of_ours(rows)
    comparisons = compare(best, sums, everyone, draws[0].split, config, counts)
    return rows, [row | label for row in comparisons]

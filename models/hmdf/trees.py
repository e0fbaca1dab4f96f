"""LambdaRank: gradient-boosted trees over candidates, stopped on a later slice of time."""

from collections.abc import Callable, Sequence
from typing import Any

import lightgbm as lgb
import numpy as np

from models.data import Bools, Floats
from models.hmdf.candidates import Candidates
from models.hmdf.config import HMDFConfig
from models.training import Epoch, TrainingCurve

_CUTOFF = 10


def fit_trees(
    slices: Sequence[tuple[Candidates, Bools]],
    names: Sequence[str],
    config: HMDFConfig,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> tuple[lgb.Booster, TrainingCurve]:
    """Trees (Burges 2010) on all slices, as many as did best on the last when fitted before it.

    Args:
        slices: candidates with whether each was chosen (r,), oldest first.
        names: of the features.
        config: settings of the trees.
        on_epoch: told of each round of the first fit: training and validation loss, 1 - NDCG@10.

    Returns:
        The trees, and NDCG@10 losses a round of the fit that chose how many there are.
    """
    *earlier, last = slices
    judged: dict[str, dict[str, list[float]]] = {}
    training = _together(earlier, names)
    told: list[Callable[..., Any]] = [
        lgb.record_evaluation(judged),
        lgb.early_stopping(config.patience, verbose=False),
    ]
    if on_epoch is not None:
        told.append(_telling(on_epoch))
    chosen = lgb.train(
        _parameters(config),
        training,
        config.rounds,
        valid_sets=[training, _together([last], names, reference=training)],
        valid_names=["train", "validation"],
        callbacks=told,
    )
    rounds = max(1, chosen.best_iteration)
    trees = lgb.train(_parameters(config), _together(slices, names), rounds)
    losses = {
        name: tuple(1 - value for value in judged[name][f"ndcg@{_CUTOFF}"])
        for name in ("train", "validation")
    }
    return trees, TrainingCurve(losses["train"], losses["validation"], rounds)


def _parameters(config: HMDFConfig) -> dict[str, Any]:
    return {
        "objective": "lambdarank",
        "metric": "ndcg",
        "eval_at": [_CUTOFF],
        "num_leaves": config.leaves,
        "learning_rate": config.learning_rate,
        "min_data_in_leaf": config.leaf_rows,
        "lambda_l2": config.penalty,
        "feature_fraction": config.feature_share,
        "bagging_fraction": config.row_share,
        "bagging_freq": 1,
        "lambdarank_truncation_level": config.truncation,
        "seed": config.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": config.threads,
        "verbosity": -1,
    }


def _together(
    slices: Sequence[tuple[Candidates, Bools]],
    names: Sequence[str],
    reference: lgb.Dataset | None = None,
) -> lgb.Dataset:
    """The slices as one table, without the users none of whose candidates was chosen."""
    tables, labels, groups = [], [], []
    for candidates, chosen in slices:
        sizes = candidates.groups()
        starts = np.cumsum(sizes) - sizes
        told = np.add.reduceat(chosen, starts) > 0 if len(sizes) else np.zeros(0, dtype=bool)
        rows = np.repeat(told, sizes)
        tables.append(candidates.features[rows])
        labels.append(chosen[rows])
        groups.append(sizes[told])
    return lgb.Dataset(
        np.concatenate(tables),
        label=np.concatenate(labels).astype(np.float32),
        group=np.concatenate(groups),
        feature_name=list(names),
        reference=reference,
        free_raw_data=True,
    )


def _telling(on_epoch: Callable[[Epoch], None]) -> Callable[[Any], None]:
    def tell(state: Any) -> None:
        losses = {name: 1 - value for name, _, value, *_ in state.evaluation_result_list}
        on_epoch(Epoch(state.iteration + 1, losses["train"], losses["validation"]))

    return tell


def shap_values(trees: lgb.Booster, features: Floats) -> Floats:
    """What each feature added to each score: (r, f + 1), the last column is the mean score.

    LightGBM's exact tree SHAP (Lundberg et al. 2020).
    """
    return np.asarray(trees.predict(features, pred_contrib=True), dtype=np.float32)

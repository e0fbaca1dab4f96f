"""LambdaRank: gradient-boosted trees over candidates, stopped on a later slice of time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np

from models.data import Bools, Floats, Ints
from models.hmdf.candidates import Candidates
from models.hmdf.config import HMDFConfig
from models.metrics import ndcg
from models.training import Epoch, TrainingCurve

_CUTOFF = 10


@dataclass(frozen=True)
class LabelledSlice:
    """Candidates of a slice of time, and what was chosen in it.

    Attributes:
        candidates: of the users who chose anything.
        chosen: (r,) whether the user chose the candidate.
        wanted: (n_users,) how many items each user chose, among the candidates or not.
    """

    candidates: Candidates
    chosen: Bools
    wanted: Ints

    def ndcg(self, scores: Floats) -> float:
        """Mean NDCG@10 over the users, with scores (r,) for the candidates."""
        rows = self.candidates.rows
        order = np.lexsort((-scores, rows))
        begins = np.searchsorted(rows, np.arange(len(self.wanted)))
        places = np.arange(len(rows)) - begins[rows]
        first = places < _CUTOFF
        hits = np.zeros((len(self.wanted), _CUTOFF), dtype=bool)
        hits[rows[first], places[first]] = self.chosen[order][first]
        return float(ndcg(hits, self.wanted, _CUTOFF).mean())


@dataclass(frozen=True)
class ChosenTrees:
    """Trees on the earlier slices, as many as did best on the last one.

    Attributes:
        trees: they have seen no label of the last slice.
        curve: 1 - NDCG@10 a round, as LightGBM counts it: among candidates alone.
        validated: NDCG@10 on the last slice, of all that its users chose.
    """

    trees: lgb.Booster
    curve: TrainingCurve
    validated: float


def choose_trees(
    slices: Sequence[LabelledSlice],
    names: Sequence[str],
    config: HMDFConfig,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> ChosenTrees:
    """Trees (Burges 2010) on all slices but the last, which says how many are best.

    Args:
        slices: oldest first.
        names: of the features.
        config: settings of the trees.
        on_epoch: told of each round: training and validation loss, 1 - NDCG@10.
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
    trees = lgb.train(
        _parameters(config),
        training,
        config.rounds,
        valid_sets=[training, _together([last], names, reference=training)],
        valid_names=["train", "validation"],
        callbacks=told,
    )
    losses = {
        name: tuple(1 - value for value in judged[name][f"ndcg@{_CUTOFF}"])
        for name in ("train", "validation")
    }
    curve = TrainingCurve(losses["train"], losses["validation"], max(1, trees.best_iteration))
    validated = last.ndcg(np.asarray(trees.predict(last.candidates.features)))
    return ChosenTrees(trees, curve, validated)


def fit_trees(
    slices: Sequence[LabelledSlice], names: Sequence[str], config: HMDFConfig, rounds: int
) -> tuple[lgb.Booster, ...]:
    """So many trees on all slices, once a bag, each with draws of its own (Breiman 1996)."""
    together = _together(slices, names)
    return tuple(
        lgb.train(_parameters(config) | {"seed": config.seed + bag}, together, rounds)
        for bag in range(config.bags)
    )


def mean_score(bags: Sequence[lgb.Booster], features: Floats) -> Floats:
    """Mean score (r,) of the bags."""
    found: Floats = np.mean([trees.predict(features) for trees in bags], axis=0, dtype=np.float32)
    return found


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
    slices: Sequence[LabelledSlice],
    names: Sequence[str],
    reference: lgb.Dataset | None = None,
) -> lgb.Dataset:
    """The slices as one table, without the users none of whose candidates was chosen."""
    tables, labels, groups = [], [], []
    for part in slices:
        candidates, chosen = part.candidates, part.chosen
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
        params={"verbosity": -1},
    )


def _telling(on_epoch: Callable[[Epoch], None]) -> Callable[[Any], None]:
    def tell(state: Any) -> None:
        losses = {name: 1 - value for name, _, value, *_ in state.evaluation_result_list}
        number, most = state.iteration + 1, state.end_iteration
        on_epoch(Epoch(number, most, losses["train"], losses["validation"]))

    return tell


def shap_values(bags: Sequence[lgb.Booster], features: Floats) -> Floats:
    """What each feature added to each score: (r, f + 1), the last column is the mean score.

    LightGBM's exact tree SHAP (Lundberg et al. 2020), the mean of the bags.
    """
    told = [trees.predict(features, pred_contrib=True) for trees in bags]
    found: Floats = np.mean(told, axis=0, dtype=np.float32)
    return found

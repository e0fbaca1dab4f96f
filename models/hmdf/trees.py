"""LambdaRank: gradient-boosted trees over candidates, their number chosen on held-out slices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import lightgbm as lgb
import numpy as np

from models.data import Bools, Floats, Interactions, Ints, Longs
from models.hmdf.candidates import Candidates
from models.hmdf.config import HMDFConfig
from models.hmdf.slices import Fold
from models.metrics import ndcg
from models.training import Epoch, TrainingCurve

_CUTOFF = 10
_SMOOTHED = 10
"""Rounds on either side that a round is judged together with."""

_AS_GOOD = 0.99
"""Share of the best NDCG@10 from which on a round is as good."""


@dataclass(frozen=True)
class LabelledSlice:
    """Candidates of a slice, and what was chosen in it.

    Attributes:
        users: (n_users,) dense index of the users who chose anything.
        candidates: of these users.
        chosen: (r,) whether the user chose the candidate.
        wanted: (n_users,) how many items each user chose, among the candidates or not.
        past_events: (n_users,) how many events each user had before.
        past: all that was known before.
        shown: further candidates of these users, which answers showed and nobody chose: trees learn
            from them and are not judged by them. None where nothing is known of them.
    """

    users: Ints
    candidates: Candidates
    chosen: Bools
    wanted: Ints
    past_events: Longs
    past: Interactions
    shown: Candidates | None = None

    def ndcg(self, scores: Floats) -> np.ndarray:
        """NDCG@10 of each user (n_users,), with scores (r,) for the candidates."""
        rows = self.candidates.rows
        order = np.lexsort((-scores, rows))
        begins = np.searchsorted(rows, np.arange(len(self.wanted)))
        places = np.arange(len(rows)) - begins[rows]
        first = places < _CUTOFF
        hits = np.zeros((len(self.wanted), _CUTOFF), dtype=bool)
        hits[rows[first], places[first]] = self.chosen[order][first]
        values: np.ndarray = ndcg(hits, self.wanted, _CUTOFF)
        return values


@dataclass(frozen=True)
class ChosenRounds:
    """As many trees as did well on slices that they had not seen.

    Attributes:
        curve: 1 - NDCG@10 a round, the mean of the folds, as LightGBM counts it: among candidates
            alone.
        scores: of each judging slice those of its candidates (r,), by trees that had not seen it.
        validated: of each judging slice the NDCG@10 (n_users,) of its users, of all they chose.
    """

    curve: TrainingCurve
    scores: tuple[np.ndarray, ...]
    validated: tuple[np.ndarray, ...]

    @property
    def mean(self) -> float:
        """The mean of the slices' mean NDCG@10."""
        return float(np.mean([values.mean() for values in self.validated]))

    @property
    def rounds(self) -> int:
        """How many trees."""
        return self.curve.best_epoch


@dataclass(frozen=True)
class _Rows:
    """What trees may learn from a slice, in the order of its users.

    Attributes:
        candidates: those that the hybrid found, and those that were shown.
        chosen: (r,) whether the user chose the candidate.
        found: (r,) whether the hybrid found it, as it does when it answers, so that it may judge.
    """

    candidates: Candidates
    chosen: Bools
    found: Bools

    @staticmethod
    def of(part: LabelledSlice) -> "_Rows":
        found = np.ones(len(part.chosen), dtype=bool)
        if part.shown is None:
            return _Rows(part.candidates, part.chosen, found)
        both = Candidates.together([part.candidates, part.shown])
        order = np.argsort(both.rows, kind="stable")
        none = np.zeros(len(part.shown.rows), dtype=bool)
        chosen, found = (np.concatenate([mask, none])[order] for mask in (part.chosen, found))
        return _Rows(both.at(order), chosen, found)


@dataclass(frozen=True)
class TreeData:
    """Slices, and one table of them as LightGBM has it, whose making takes seconds.

    Attributes:
        slices: what is learned from.
        judges: of each slice, which of its rows of the table (r,) may judge trees.
        table: their candidates in the order of the slices, of users any of whose candidates was
            chosen; the others show no order.
    """

    slices: tuple[LabelledSlice, ...]
    judges: tuple[Bools, ...]
    table: lgb.Dataset

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows of the table that each slice has."""
        return tuple(len(rows) for rows in self.judges)

    @staticmethod
    def of(slices: Sequence[LabelledSlice], names: Sequence[str], config: HMDFConfig) -> "TreeData":
        """The table of some slices, of at most `config.most_users` users each.

        Of more than `config.most_rows` candidates, some that were not chosen are left out.

        Args:
            slices: what is learned from.
            names: of the features.
            config: settings of the trees.
        """
        parts = [_Rows.of(part) for part in slices]
        used = _thinned(
            [part.chosen for part in parts],
            [_learned_from(part, config.most_users, config.seed) for part in parts],
            config.most_rows,
            config.seed,
        )
        judges = tuple(part.found[kept] for part, kept in zip(parts, used, strict=True))
        return TreeData(tuple(slices), judges, _together(parts, used, names, config.bins))


def choose_rounds(
    data: TreeData,
    folds: Sequence[Fold],
    config: HMDFConfig,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> ChosenRounds:
    """Fits trees (Burges 2010) per fold, all stopped once their mean no longer improves.

    Args:
        data: what is learned from.
        folds: the slices that trees are fitted to, and the slice that judges them.
        config: settings of the trees.
        on_epoch: called after each round: training and validation loss, 1 - NDCG@10.
    """
    evaluations: dict[str, dict[str, list[float]]] = {}
    callbacks: list[Callable[..., Any]] = [
        lgb.record_evaluation(evaluations),
        lgb.early_stopping(config.patience, verbose=False),
    ]
    if on_epoch is not None:
        callbacks.append(_reporting(on_epoch))
    outcome = lgb.cv(
        _parameters(config),
        data.table,
        config.rounds,
        folds=_fold_rows(data, folds),
        eval_train_metric=True,
        return_cvbooster=True,
        callbacks=callbacks,
    )
    trees_by_fold = cast(lgb.CVBooster, outcome["cvbooster"]).boosters
    train, validation = (
        tuple(1 - value for value in evaluations[name][f"ndcg@{_CUTOFF}-mean"])
        for name in ("train", "valid")
    )
    curve = TrainingCurve(train, validation, 1 + _last_as_good(validation))
    judges = [data.slices[fold.judge] for fold in folds]
    scores = tuple(
        np.asarray(trees.predict(judge.candidates.features, num_iteration=curve.best_epoch))
        for trees, judge in zip(trees_by_fold, judges, strict=True)
    )
    validated = tuple(
        judge.ndcg(judge_scores) for judge, judge_scores in zip(judges, scores, strict=True)
    )
    return ChosenRounds(curve, scores, validated)


def _fold_rows(data: TreeData, folds: Sequence[Fold]) -> list[tuple[Longs, Longs]]:
    """The rows of the table that each fold's trees are fitted to, and those that judge."""
    rows = np.split(np.arange(sum(data.sizes)), np.cumsum(data.sizes)[:-1])
    return [
        (
            np.concatenate([rows[place] for place in fold.fitted]),
            rows[fold.judge][data.judges[fold.judge]],
        )
        for fold in folds
    ]


def _last_as_good(losses: Sequence[float]) -> int:
    """The last place where a smoothed curve is as good as at its best, but for 1 % of NDCG@10.

    Of a flat curve chance chooses the best round, and the mean of bags, which is what answers,
    gains from more trees than one fit of them does (Breiman 1996).
    """
    reach = min(_SMOOTHED, len(losses) // 2)
    padded = np.pad(1 - np.asarray(losses), reach, mode="edge")
    window = np.ones(2 * reach + 1) / (2 * reach + 1)
    smooth = np.convolve(padded, window, mode="valid")
    return int(np.flatnonzero(smooth >= _AS_GOOD * smooth.max())[-1])


def fit_trees(data: TreeData, config: HMDFConfig, rounds: int) -> tuple[lgb.Booster, ...]:
    """So many trees on all slices, once a bag, each with draws of its own (Breiman 1996)."""
    return tuple(
        lgb.train(_parameters(config) | {"seed": config.seed + bag}, data.table, rounds)
        for bag in range(config.bags)
    )


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
        "max_bin": config.bins,
        "verbosity": -1,
    }


def _learned_from(part: _Rows, most_users: int, seed: int) -> Bools:
    """Which candidates (r,) are learned from: those of users any of whose candidates was chosen.

    The others show no order. Of more than `most_users` such users, so many are drawn.
    """
    sizes = part.candidates.groups()
    starts = np.cumsum(sizes) - sizes
    used = np.add.reduceat(part.chosen, starts) > 0 if len(sizes) else np.zeros(0, dtype=bool)
    choosers = np.flatnonzero(used)
    if len(choosers) > most_users:
        drawn = np.random.default_rng(seed).choice(choosers, most_users, replace=False)
        used = np.isin(np.arange(len(used)), drawn)
    return np.repeat(used, sizes)


def _thinned(
    chosen: Sequence[Bools], rows: Sequence[Bools], most_rows: int, seed: int
) -> list[Bools]:
    """Of the rows (r,) of each slice about so many in all, with every one that was chosen."""
    kept = sum(int((one & used).sum()) for one, used in zip(chosen, rows, strict=True))
    others = sum(int(used.sum()) for used in rows) - kept
    if kept + others <= most_rows:
        return list(rows)
    share = max(0.0, (most_rows - kept) / others)
    rng = np.random.default_rng(seed)
    return [
        used & (one | (rng.random(len(used)) < share))
        for one, used in zip(chosen, rows, strict=True)
    ]


def _together(
    slices: Sequence[_Rows], rows: Sequence[Bools], names: Sequence[str], bins: int
) -> lgb.Dataset:
    """The slices' candidates of some rows (r,) as one table, in their order."""
    parts = list(zip(slices, rows, strict=True))
    groups = [np.unique(part.candidates.rows[used], return_counts=True)[1] for part, used in parts]
    return lgb.Dataset(
        np.concatenate([part.candidates.features[used] for part, used in parts]),
        label=np.concatenate([part.chosen[used] for part, used in parts]).astype(np.float32),
        group=np.concatenate(groups),
        feature_name=list(names),
        params={"verbosity": -1, "max_bin": bins},
    )


def _reporting(on_epoch: Callable[[Epoch], None]) -> Callable[[Any], None]:
    def report(state: Any) -> None:
        losses = {name: 1 - value for name, _, value, *_ in state.evaluation_result_list}
        number, most = state.iteration + 1, state.end_iteration
        on_epoch(Epoch(number, most, losses["train"], losses["valid"]))

    return report

"""What a run found, as rows of `quality.json` and as lines for people."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from assets.datasets import SplitData
from benchmarks.peers.exchange import Answer
from benchmarks.quality.comparing import compare
from benchmarks.quality.handover import tested_users
from benchmarks.quality.measuring import HEADLINE, Measured, measure, segment_users
from benchmarks.quality.registry import OURS
from benchmarks.quality.running import Given
from models.data import Ints
from models.evaluation import EvaluationConfig
from models.splits.names import RANDOM

Row = dict[str, Any]


@dataclass(frozen=True)
class SplitFigures:
    """What was found on one split by one seed.

    Attributes:
        split: its name.
        seed: of the split and the models.
        rows: a row a figure.
        comparisons: our best compared with all others.
        models: settings, validation and seconds of each model that answered.
        skipped: the models that gave no answer.
        users: dense indexes (n_users,) of the tested users.
        per_user: NDCG@10 (n_users,) of each model that answered; none of ratings.
    """

    split: str
    seed: int
    rows: list[Row]
    comparisons: list[Row]
    models: list[Row]
    skipped: list[Row]
    users: Ints
    per_user: Mapping[str, np.ndarray]


def figures_of(
    data: SplitData, measurements: list[tuple[Given, Measured | None]], config: EvaluationConfig
) -> SplitFigures:
    """All tables of one split."""
    rows: list[Row] = []
    models: list[Row] = []
    skipped: list[Row] = []
    per_user: dict[str, np.ndarray] = {}
    for reply, measured in measurements:
        label = {"model": reply.name, "kind": reply.kind, "split": data.name, "seed": config.seed}
        if measured is None or not isinstance(reply.answer, Answer):
            assert not isinstance(reply.answer, Answer)
            skipped.append(label | vars(reply.answer))
            continue
        rows += _rows(label, reply.answer, measured)
        models.append(label | dict(reply.answer.facts))
        if data.name != RANDOM:
            per_user[reply.name] = measured.per_user
    comparisons = _comparisons(data, models, per_user, config)
    tables = (rows, comparisons, models, skipped)
    return SplitFigures(data.name, config.seed, *tables, tested_users(data), per_user)


def best_of_ours(models: Sequence[Row]) -> str:
    """The name of our model that is best on validation; of any model if none is ours."""
    candidates = [row for row in models if row["kind"] == OURS] or list(models)
    best = max(candidates, key=lambda row: float(np.nan_to_num(row["validation"], nan=-1.0)))
    return str(best["model"])


def measured_of(reply: Given, data: SplitData, config: EvaluationConfig) -> Measured | None:
    """The figures of one answer; None if there is no answer."""
    if not isinstance(reply.answer, Answer):
        return None
    return measure(reply.name, reply.answer, data, config)


def line(reply: Given, measured: Measured | None) -> str:
    """The line that a run prints for one model."""
    if measured is None or not isinstance(reply.answer, Answer):
        assert not isinstance(reply.answer, Answer)
        return f"  {reply.name:<22} {reply.kind:<9} skipped: {reply.answer.reason}"
    facts = reply.answer.facts
    first = next((row for row in measured.rows if _is_headline(row.metric, row.k)), None)
    if first is None:
        return f"  {reply.name:<22} {reply.kind:<9} no user to judge it by"
    return (
        f"  {reply.name:<22} {reply.kind:<9} {first.value:.4f} [{first.ci_low:.4f}, "
        f"{first.ci_high:.4f}]  validation {abs(facts['validation']):.4f}  "
        f"fit {facts['fit_s']:.1f} s  lists {facts['predict_s']:.1f} s  "
        f"tuning {facts['tuning_s']:.0f} s"
    )


def pooled_line(row: Row) -> str:
    """What people see of one model once all draws are there."""
    return (
        f"  {row['model']:<22} {row['kind']:<9} {row['value']:.4f} [{row['ci_low']:.4f}, "
        f"{row['ci_high']:.4f}]  validation {row['validation']:.4f}"
    )


def machine() -> Row:
    """Where the run took place."""
    return {
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _is_headline(metric: str, k: int | None) -> bool:
    return (metric, k) == HEADLINE or metric == "mse"


def _rows(label: Row, answer: Answer, measured: Measured) -> list[Row]:
    facts = answer.facts
    return [
        label
        | {
            "segment": row.segment,
            "metric": row.metric,
            "k": row.k,
            "value": row.value,
            "ci_low": row.ci_low,
            "ci_high": row.ci_high,
            "fit_s": facts["fit_s"],
            "predict_s": facts["predict_s"],
            "n_users": row.n_users,
            "commit": facts["commit"],
        }
        for row in measured.rows
    ]


def _comparisons(
    data: SplitData,
    models: Sequence[Row],
    per_user: Mapping[str, np.ndarray],
    config: EvaluationConfig,
) -> list[Row]:
    """Our model that is best on validation compared with all others."""
    if len(per_user) < 2:
        return []
    best = best_of_ours(models)
    comparisons = compare(best, per_user, segment_users(data), data.name, config)
    return [row | {"seed": config.seed} for row in comparisons]

"""What a run found, as rows of `quality.json` and as lines for people."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from assets.datasets import RANDOM, SplitData
from benchmarks.peers.exchange import Answer
from benchmarks.quality.comparing import compare
from benchmarks.quality.measuring import HEADLINE, Measured, measure, segment_users
from benchmarks.quality.registry import OURS
from benchmarks.quality.running import Given
from models.evaluation import EvaluationConfig

Row = dict[str, Any]


@dataclass(frozen=True)
class SplitFigures:
    """One split's rows, comparisons, models, and the models that gave no answer."""

    rows: list[Row]
    comparisons: list[Row]
    models: list[Row]
    skipped: list[Row]


def figures_of(
    data: SplitData, given: list[tuple[Given, Measured | None]], config: EvaluationConfig
) -> SplitFigures:
    """All tables of one split."""
    rows: list[Row] = []
    models: list[Row] = []
    skipped: list[Row] = []
    for one, measured in given:
        label = {"model": one.name, "kind": one.kind, "split": data.name, "seed": config.seed}
        if measured is None or not isinstance(one.answer, Answer):
            assert not isinstance(one.answer, Answer)
            skipped.append(label | vars(one.answer))
            continue
        rows += _rows(label, one.answer, measured)
        models.append(label | dict(one.answer.facts))
    return SplitFigures(rows, _comparisons(data, given, config), models, skipped)


def measured_of(one: Given, data: SplitData, config: EvaluationConfig) -> Measured | None:
    """The figures of one answer; None where there is no answer."""
    if not isinstance(one.answer, Answer):
        return None
    return measure(one.name, one.answer, data, config)


def line(one: Given, measured: Measured | None) -> str:
    """What people see of one model while the run goes on."""
    if measured is None or not isinstance(one.answer, Answer):
        assert not isinstance(one.answer, Answer)
        return f"  {one.name:<22} {one.kind:<9} skipped: {one.answer.reason}"
    facts = one.answer.facts
    first = next((row for row in measured.rows if _is_headline(row.metric, row.k)), None)
    if first is None:
        return f"  {one.name:<22} {one.kind:<9} no user to judge it by"
    return (
        f"  {one.name:<22} {one.kind:<9} {first.value:.4f} [{first.ci_low:.4f}, "
        f"{first.ci_high:.4f}]  validation {abs(facts['validation']):.4f}  "
        f"fit {facts['fit_s']:.1f} s  lists {facts['predict_s']:.1f} s  "
        f"tuning {facts['tuning_s']:.0f} s"
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
    data: SplitData, given: list[tuple[Given, Measured | None]], config: EvaluationConfig
) -> list[Row]:
    """Our model that is best on validation beside all others."""
    answered = {
        one.name: (one, measured.per_user) for one, measured in given if measured is not None
    }
    if data.name == RANDOM or len(answered) < 2:
        return []
    own = [name for name, (one, _) in answered.items() if one.kind == OURS] or list(answered)
    best = max(own, key=lambda name: _validation(answered[name][0]))
    per_user: Mapping[str, np.ndarray] = {name: values for name, (_, values) in answered.items()}
    found = compare(best, per_user, segment_users(data), data.name, config)
    return [row | {"seed": config.seed} for row in found]


def _validation(one: Given) -> float:
    assert isinstance(one.answer, Answer)
    return float(np.nan_to_num(one.answer.facts["validation"], nan=-1.0))

"""How good the models are, and how sure that is."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from assets.assembled_splits import assembled_split
from assets.current_models import require_current
from assets.datasets import SPLIT_INPUTS, SPLIT_TABLES, SplitData, splits_in
from assets.pictures import metric_intervals
from assets.registry import open_registry
from assets.side_by_side import processes_for, side_by_side
from assets.table_asset import Making, table_asset
from assets.training import MODEL_TABLES, fitted_versions
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.catalogue import CATALOGUE, ModelEntry
from models.splits.names import RANDOM, RANKED_SPLITS

if TYPE_CHECKING:
    from models.data import Ints
    from models.evaluation import EvaluationConfig, MetricRow
    from models.protocol import Recommender

_HEADLINE = ("ndcg", 10)
BASELINES = tuple(entry.name for entry in CATALOGUE if entry.yardstick)
"""What every model is compared with, where they are fitted on the split."""

P_RESAMPLES = 10_000
"""Behind a p value: its least is 2 in so many, and Holm multiplies it by the number of models."""

_PER_USER = {
    "model": pl.String,
    "split": pl.String,
    "part": pl.String,
    "user_id": pl.String,
    "ndcg_10": pl.Float64,
}
COMPARED = {
    "difference": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "p": pl.Float64,
    "p_holm": pl.Float64,
    "ratio": pl.Float64,
    "ratio_low": pl.Float64,
    "ratio_high": pl.Float64,
    "n_users": pl.Int64,
}
"""Columns of a comparison on the same users: those of `models.evaluation.Comparison`."""

_COMPARISONS = {
    "split": pl.String,
    "model": pl.String,
    "baseline": pl.String,
    "metric": pl.String,
    "k": pl.Int32,
    **COMPARED,
}


@table_asset(
    inputs=[*MODEL_TABLES, *SPLIT_INPUTS],
    also_reads=SPLIT_TABLES,
    also_writes=["metrics_per_user"],
    choices=lambda workspace: {
        "samples": workspace.settings.bootstrap_samples,
        "seed": workspace.settings.seed,
    },
    pictures=("metric_intervals",),
    group="evaluation",
    kinds={"numpy", "parquet"},
    code_version="4",
)
def metrics(making: Making) -> None:
    """Every model on every split, all candidates ranked, with 95 % bootstrap intervals."""
    from models.evaluation import metrics_frame

    workspace = making.workspace
    require_current(workspace)
    rows: list[MetricRow] = []
    per_user: list[pl.DataFrame] = []
    for metric_rows, users in _judged(workspace):
        rows += metric_rows
        per_user += users
    rows += _rating_rows(workspace)
    figures = metrics_frame(rows)
    metric_intervals(workspace.paths.pictures / "metric_intervals.png", figures)
    making.lake.write("metrics_per_user", pl.concat(per_user), making.stamp)
    making.lake.write("metrics", figures, making.stamp, headline=_headline(figures))
    registry = open_registry(workspace)
    for (version,), version_rows in figures.partition_by("run_id", as_dict=True).items():
        registry.record_metrics(str(version), version_rows.to_dicts())


_Judged = tuple[list["MetricRow"], list[pl.DataFrame]]


def _judged(workspace: Workspace) -> Iterator[_Judged]:
    """`_judge` of every fitted model on every split."""
    fitted = [
        (split, entry, version)
        for split in splits_in(workspace.lake, RANKED_SPLITS)
        for entry in CATALOGUE
        if (version := fitted_versions(workspace.lake, entry.name).get(split)) is not None
    ]
    workspace.progress("Judging models", 0, len(fitted))
    jobs = _jobs(workspace, fitted)
    results = side_by_side(_judge, jobs, processes_for(workspace.settings, len(fitted)))
    for done, result in enumerate(results, start=1):
        workspace.progress("Judging models", done, len(fitted))
        yield result


def _jobs(
    workspace: Workspace, fitted: list[tuple[str, ModelEntry, str]]
) -> Iterator[tuple[Settings, ModelEntry, SplitData, str]]:
    """Arguments of `_judge`; each split is read once for all of its models."""
    for split, models in groupby(fitted, key=itemgetter(0)):
        data = assembled_split(workspace, split)
        for _, entry, version in models:
            yield workspace.settings, entry, data, version


def _judge(settings: Settings, entry: ModelEntry, data: SplitData, version: str) -> _Judged:
    """Figures of one model on one split, and NDCG@10 of each user on test and validation."""
    from models.evaluation import evaluate

    workspace = Workspace(settings)
    model = open_registry(workspace).load(version)
    config = _config(workspace)
    test = evaluate(
        model,
        data.dataset,
        data.test,
        split=data.name,
        run_id=version,
        candidates=data.candidates,
        categories=data.categories,
        config=config,
    )
    rows = [replace(row, model=entry.name) for row in test.rows]
    validation = _validated(model, data, version, config)
    return rows, [
        _per_user(entry.name, data, "test", test.users, test.per_user[_HEADLINE]),
        _per_user(entry.name, data, "validation", *validation),
    ]


def _validated(
    model: "Recommender", data: SplitData, version: str, config: "EvaluationConfig"
) -> tuple["Ints", np.ndarray]:
    """Users (n,) and their NDCG@10 (n,) on the validation events."""
    from models.evaluation import evaluate, own_validation
    from models.protocol import SelfValidated

    # Events that a model has learned from do not show how good it is.
    if isinstance(model, SelfValidated):
        return own_validation(model, data.dataset)
    evaluation = evaluate(
        model,
        data.dataset,
        data.dataset.validation,
        split=data.name,
        run_id=version,
        candidates=data.validation_candidates,
        known=data.dataset.train,
        config=replace(config, cutoffs=(_HEADLINE[1],), samples=1),
    )
    return evaluation.users, evaluation.per_user[_HEADLINE]


def _per_user(
    model: str, data: SplitData, part: str, users: "Ints", values: np.ndarray
) -> pl.DataFrame:
    ids = np.array(data.dataset.user_ids.ids, dtype=object)[users]
    return pl.DataFrame(
        {
            "model": model,
            "split": data.name,
            "part": part,
            "user_id": ids.tolist(),
            "ndcg_10": values,
        },
        schema=_PER_USER,
    )


def _rating_rows(workspace: Workspace) -> list["MetricRow"]:
    """Squared error on the star scale, for the models that were fitted on the random split."""
    from models.evaluation import RatingPredictor, evaluate_ratings

    data = assembled_split(workspace, RANDOM)
    rows: list[MetricRow] = []
    for entry in CATALOGUE:
        version = fitted_versions(workspace.lake, entry.name).get(RANDOM)
        if version is None:
            continue
        model = open_registry(workspace).load(version)
        if not isinstance(model, RatingPredictor):
            continue
        config = _config(workspace)
        rows += evaluate_ratings(model, data.test, split=RANDOM, run_id=version, config=config)
    return rows


def _config(workspace: Workspace) -> "EvaluationConfig":
    from models.evaluation import EvaluationConfig

    return EvaluationConfig(
        samples=workspace.settings.bootstrap_samples, seed=workspace.settings.seed
    )


def _headline(figures: pl.DataFrame) -> list[dict[str, Any]]:
    metric, k = _HEADLINE
    chosen = figures.filter(
        (pl.col("metric") == metric) & (pl.col("k") == k) & (pl.col("segment") == "all")
    )
    columns = ["split", "model", "value", "ci_low", "ci_high"]
    return chosen.sort("split", "value", descending=[True, True]).select(columns).to_dicts()


def _resampling(workspace: Workspace) -> dict[str, int]:
    settings = workspace.settings
    return {"samples": max(P_RESAMPLES, settings.bootstrap_samples), "seed": settings.seed}


@table_asset(
    inputs=["metrics"],
    also_reads=["metrics_per_user"],
    choices=_resampling,
    group="evaluation",
    kinds={"numpy", "parquet"},
    code_version="2",
)
def comparisons(making: Making) -> None:
    """Each model compared with the baselines, on the same users, by paired bootstrap."""
    test = making.lake.read("metrics_per_user").filter(pl.col("part") == "test")
    resampling = _resampling(making.workspace)
    rows = [
        row
        for split in test["split"].unique(maintain_order=True)
        for row in _compared(test.filter(pl.col("split") == split), **resampling)
    ]
    frame = pl.DataFrame(rows, schema=_COMPARISONS)
    # Nothing is so many times as good as a baseline that found nothing.
    ratios = pl.col("ratio", "ratio_low", "ratio_high").fill_nan(None)
    making.lake.write("comparisons", frame.with_columns(ratios), making.stamp)


def _compared(per_user: pl.DataFrame, samples: int, seed: int) -> Iterator[dict[str, Any]]:
    """All comparisons of a split; those with the same baseline form one table."""
    from models.evaluation import compared

    values = by_user(per_user)
    models = per_user["model"].unique(maintain_order=True).to_list()
    pairs = [
        (table, model, baseline)
        for table, baseline in enumerate(name for name in BASELINES if name in models)
        for model in models
        if model != baseline
    ]
    if not pairs:
        return
    figures = values.select(models).to_numpy()
    tables, ours, theirs = (list(each) for each in zip(*pairs, strict=True))
    comparisons = compared(
        figures[:, [models.index(name) for name in ours]],
        figures[:, [models.index(name) for name in theirs]],
        samples,
        seed,
        tables=tables,
    )
    for (_, model, baseline), comparison in zip(pairs, comparisons, strict=True):
        yield {
            "split": per_user["split"][0],
            "model": model,
            "baseline": baseline,
            "metric": _HEADLINE[0],
            "k": _HEADLINE[1],
            **vars(comparison),
        }


def by_user(per_user: pl.DataFrame) -> pl.DataFrame:
    """NDCG@10 of one split and part with a row per user and a column per model.

    Users stay in the order of the table, so that no pseudonym decides what a bootstrap draws.

    Args:
        per_user: rows of the table `metrics_per_user`.

    Raises:
        ValueError: the models were not asked about the same users.
    """
    models = per_user["model"].unique(maintain_order=True).to_list()
    values = per_user.pivot("model", index="user_id", values="ndcg_10")
    if unlike := [name for name in models if values[name].null_count()]:
        raise ValueError(
            f"The users of {', '.join(unlike)} are not those of the other models of the split; "
            "evaluate all models of the split in one run."
        )
    return values

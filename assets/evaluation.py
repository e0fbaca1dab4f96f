"""How good the models are, how sure that is, and which one answers."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import polars as pl

from assets.datasets import RANDOM, SPLIT_INPUTS, SplitData, split_data
from assets.pictures import metric_intervals
from assets.recipes import RANKED_SPLITS, RECIPES, Recipe
from assets.registry import open_registry
from assets.stage import OWNERS, Context, made_from, materialize_table
from assets.training import fitted_versions, model_table
from crossmodal.workspace import Workspace

if TYPE_CHECKING:
    from models.evaluation import Evaluation, EvaluationConfig, MetricRow

_MODEL_TABLES = tuple(model_table(recipe.name) for recipe in RECIPES)
_HEADLINE = ("ndcg", 10)
_BASELINES = ("popularity", "random")
_PER_USER = {
    "model": pl.String,
    "split": pl.String,
    "part": pl.String,
    "user_id": pl.String,
    "ndcg_10": pl.Float64,
}
_COMPARISONS = {
    "split": pl.String,
    "model": pl.String,
    "baseline": pl.String,
    "metric": pl.String,
    "k": pl.Int32,
    "difference": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "p": pl.Float64,
    "n_users": pl.Int64,
}


@dg.asset(
    deps=[*_MODEL_TABLES, *SPLIT_INPUTS],
    group_name="evaluation",
    owners=OWNERS,
    kinds={"numpy", "parquet"},
    code_version="2",
)
def metrics(context: Context, workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """Every model on every split, all candidates ranked, with 95 % bootstrap intervals."""
    lake, settings = workspace.lake, workspace.settings
    stamp = made_from(
        context,
        workspace,
        *_MODEL_TABLES,
        *SPLIT_INPUTS,
        samples=settings.bootstrap_samples,
        seed=settings.seed,
    )

    def make() -> None:
        from models.evaluation import metrics_frame

        rows: list[MetricRow] = []
        per_user: list[pl.DataFrame] = []
        for split in RANKED_SPLITS:
            data = split_data(lake, split)
            for recipe in RECIPES:
                found, users = _judge(workspace, recipe, data)
                rows += found
                per_user += users
        rows += _rating_rows(workspace)
        figures = metrics_frame(rows)
        metric_intervals(workspace.paths.pictures / "metric_intervals.png", figures)
        lake.write("metrics_per_user", pl.concat(per_user), stamp)
        lake.write("metrics", figures, stamp, headline=_headline(figures))
        registry = open_registry(workspace)
        for (version,), own in figures.partition_by("run_id", as_dict=True).items():
            registry.record_metrics(str(version), own.to_dicts())

    intact = lake.exists("metrics_per_user")
    return materialize_table(
        context, workspace, "metrics", stamp, make, pictures=("metric_intervals",), intact=intact
    )


def _judge(
    workspace: Workspace, recipe: Recipe, data: SplitData
) -> tuple[list["MetricRow"], list[pl.DataFrame]]:
    """Figures of one model on one split, and NDCG@10 of each user on test and validation."""
    from models.evaluation import evaluate

    version = fitted_versions(workspace.lake, recipe.name).get(data.name)
    if version is None:
        return [], []
    workspace.progress(f"Judging {recipe.name} on {data.name}", 0, None)
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
    validation = evaluate(
        model,
        data.dataset,
        data.dataset.validation,
        split=data.name,
        run_id=version,
        candidates=data.validation_candidates,
        known=data.dataset.train,
        config=replace(config, cutoffs=(_HEADLINE[1],), samples=1),
    )
    rows = [replace(row, model=recipe.name) for row in test.rows]
    parts = {"test": test, "validation": validation}
    return rows, [_per_user(recipe.name, data, part, found) for part, found in parts.items()]


def _per_user(model: str, data: SplitData, part: str, found: "Evaluation") -> pl.DataFrame:
    ids = np.array(data.dataset.user_ids.ids, dtype=object)[found.users]
    return pl.DataFrame(
        {
            "model": model,
            "split": data.name,
            "part": part,
            "user_id": ids.tolist(),
            "ndcg_10": found.per_user[_HEADLINE],
        },
        schema=_PER_USER,
    )


def _rating_rows(workspace: Workspace) -> list["MetricRow"]:
    """Squared error on the star scale, for the models that were fitted on the random split."""
    from models.evaluation import RatingPredictor, evaluate_ratings

    data = split_data(workspace.lake, RANDOM)
    rows: list[MetricRow] = []
    for recipe in RECIPES:
        version = fitted_versions(workspace.lake, recipe.name).get(RANDOM)
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


@dg.asset(
    deps=["metrics"],
    group_name="evaluation",
    owners=OWNERS,
    kinds={"numpy", "parquet"},
    code_version="1",
)
def comparisons(context: Context, workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """Each model beside chance and the popular list, on the same users, by paired bootstrap."""
    lake, settings = workspace.lake, workspace.settings
    stamp = made_from(
        context, workspace, "metrics", samples=settings.bootstrap_samples, seed=settings.seed
    )

    def make() -> None:
        per_user = lake.read("metrics_per_user").filter(pl.col("part") == "test")
        rows = [
            _compare(workspace, per_user, split, model, baseline)
            for split in RANKED_SPLITS
            for baseline in _BASELINES
            for model in per_user["model"].unique(maintain_order=True)
            if model != baseline
        ]
        lake.write("comparisons", pl.DataFrame(rows, schema=_COMPARISONS), stamp)

    return materialize_table(context, workspace, "comparisons", stamp, make)


def _compare(
    workspace: Workspace, per_user: pl.DataFrame, split: str, model: str, baseline: str
) -> dict[str, Any]:
    from models.evaluation import paired_difference

    a, b = _paired(per_user, split, model, baseline)
    settings = workspace.settings
    found = paired_difference(a, b, settings.bootstrap_samples, settings.seed)
    return {
        "split": split,
        "model": model,
        "baseline": baseline,
        "metric": _HEADLINE[0],
        "k": _HEADLINE[1],
        "difference": found.mean,
        "ci_low": found.low,
        "ci_high": found.high,
        "p": found.p,
        "n_users": found.n_users,
    }


def _paired(
    per_user: pl.DataFrame, split: str, model: str, baseline: str
) -> tuple[np.ndarray, np.ndarray]:
    """NDCG@10 of two models for the users that both have, in one order."""
    rows = per_user.filter(pl.col("split") == split)
    own = rows.filter(pl.col("model") == model).select("user_id", own="ndcg_10")
    other = rows.filter(pl.col("model") == baseline).select("user_id", other="ndcg_10")
    both = own.join(other, on="user_id").sort("user_id")
    return both["own"].to_numpy(), both["other"].to_numpy()

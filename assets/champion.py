"""Which model answers: the gate between a new model and the users."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import polars as pl

from assets.datasets import SPLIT_INPUTS, USER_TEMPORAL, split_data
from assets.recipes import RECIPES
from assets.registry import has_version, open_registry
from assets.stage import OWNERS, Context, made_from, materialize_table
from assets.training import fitted_versions
from crossmodal.workspace import Workspace

if TYPE_CHECKING:
    from models.promotion import Decision


@dg.asset(
    deps=["metrics", *SPLIT_INPUTS],
    group_name="evaluation",
    owners=OWNERS,
    kinds={"safetensors"},
    code_version="1",
)
def champion(context: Context, workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """The model that answers: the best on validation, if it is not worse than the one before."""
    lake, settings = workspace.lake, workspace.settings
    stamp = made_from(
        context, workspace, "metrics", *SPLIT_INPUTS, samples=settings.bootstrap_samples
    )

    def make() -> None:
        name = _best_on_validation(workspace)
        candidate = fitted_versions(lake, name)[USER_TEMPORAL]
        before = _answering_now(workspace)
        unreadable = None if before is None else _why_unreadable(workspace, before)
        if unreadable is not None:
            context.log.warning(f"The champion {before} cannot be read any more. {unreadable}")
            before = None
        decision = _decide(workspace, name, None if before == candidate else before)
        if before == candidate:
            decision = replace(decision, reason=f"{candidate} answers already and stays.")
        if unreadable is not None:
            lost = f"{decision.reason} The one before cannot be read: {unreadable}"
            decision = replace(decision, reason=lost)
        if before is None and not decision.promote:
            raise dg.Failure(f"{candidate} may not be the first champion. {decision.reason}")
        answering = candidate if decision.promote or before is None else before
        row = _row(answering, candidate, before, decision)
        rows = pl.DataFrame([row])
        lake.write("champion", rows, stamp, reason=decision.reason)
        # Last, so that a run that is killed before it finds the old champion and decides alike.
        open_registry(workspace).promote(answering)

    named = lake.read("champion")["version"].item() if lake.exists("champion") else None
    intact = named is not None and named == _answering_now(workspace)
    return materialize_table(context, workspace, "champion", stamp, make, intact=intact)


def _answering_now(workspace: Workspace) -> str | None:
    """The version that the champion file names; None where there is none, or it is gone."""
    from models.registry import ModelRegistry

    version = ModelRegistry(workspace.paths.models).champion()
    return version if version is not None and has_version(workspace, version) else None


def _why_unreadable(workspace: Workspace, version: str) -> str | None:
    """Why this version of the platform cannot load a model that an older one kept; None if it can.

    Such a champion cannot answer, and so cannot keep a new one out.
    """
    from models.persistence import ModelFormatError

    try:
        open_registry(workspace).load(version)
    except ModelFormatError as error:
        return str(error)
    return None


def _best_on_validation(workspace: Workspace) -> str:
    """The candidate family with the highest NDCG@10 on validation events: never on test events."""
    candidates = [recipe.name for recipe in RECIPES if recipe.candidate]
    judged = workspace.lake.scan("metrics_per_user").filter(
        (pl.col("split") == USER_TEMPORAL)
        & (pl.col("part") == "validation")
        & pl.col("model").is_in(candidates)
    )
    means = judged.group_by("model").agg(pl.col("ndcg_10").mean()).collect()
    if means.is_empty():
        raise dg.Failure(
            "No user has events to validate on: a champion needs users with three events or more."
        )
    return str(means.sort(["ndcg_10", "model"], descending=[True, False])["model"][0])


def _decide(workspace: Workspace, name: str, before: str | None) -> "Decision":
    from models.promotion import decide

    per_user = workspace.lake.scan("metrics_per_user").filter(
        (pl.col("split") == USER_TEMPORAL) & (pl.col("part") == "test")
    )
    figures = per_user.collect()
    users = figures.filter(pl.col("model") == name).select("user_id", "ndcg_10").sort("user_id")
    popular = figures.filter(pl.col("model") == "popularity").sort("user_id")
    old = None if before is None else _judged_again(workspace, before, users["user_id"])
    return decide(
        users["ndcg_10"].to_numpy(),
        old,
        popular["ndcg_10"].to_numpy(),
        samples=workspace.settings.bootstrap_samples,
        seed=workspace.settings.seed,
    )


def _judged_again(workspace: Workspace, version: str, user_ids: pl.Series) -> np.ndarray:
    """NDCG@10 of an earlier version on today's test events, in the order of `user_ids`."""
    from models.evaluation import EvaluationConfig, evaluate
    from models.reindexed import Reindexed

    registry = open_registry(workspace)
    data = split_data(workspace.lake, USER_TEMPORAL)
    seed = workspace.settings.seed
    model = Reindexed(
        registry.load(version), registry.item_ids(version), data.dataset.item_ids, seed
    )
    found = evaluate(
        model,
        data.dataset,
        data.test,
        split=USER_TEMPORAL,
        run_id=version,
        config=EvaluationConfig(cutoffs=(10,), samples=1, seed=seed),
    )
    names = np.array(data.dataset.user_ids.ids, dtype=object)[found.users]
    judged = pl.DataFrame({"user_id": names.tolist(), "ndcg_10": found.per_user["ndcg", 10]})
    ordered = pl.DataFrame({"user_id": user_ids}).join(
        judged, on="user_id", how="left", maintain_order="left"
    )
    return ordered["ndcg_10"].to_numpy()


def _row(
    answering: str, candidate: str, before: str | None, decision: "Decision"
) -> dict[str, Any]:
    over = decision.against_popularity
    return {
        "version": answering,
        "candidate": candidate,
        "before": before or "",
        "promoted": answering == candidate,
        "reason": decision.reason,
        "over_popularity": over.mean,
        "over_popularity_low": over.low,
        "over_popularity_high": over.high,
    }

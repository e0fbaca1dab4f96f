"""Which model is champion: the gate between a new model and the users."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import polars as pl

from assets.by_hand import hand_in_force, reason_of_hand, why_unreadable
from assets.datasets import SPLIT_INPUTS, SPLIT_TABLES, split_data, warm_split
from assets.evaluation import COMPARED, P_RESAMPLES, by_user
from assets.judging import UNJUDGED, why_not_judged
from assets.quality import champion_figures
from assets.registry import has_version, open_promotions, open_registry
from assets.stage import Context, Stamp
from assets.table_asset import Making, table_asset
from assets.training import MODEL_TABLES, fitted_versions
from crossmodal.lake import Lake
from crossmodal.workspace import Workspace
from models.catalogue import CATALOGUE

if TYPE_CHECKING:
    from models.evaluation import Comparison, PairedDifference
    from models.promotion import Choice, Decision

RIVALS = "champion_rivals"
"""The lake table of the champion compared with all other models, on the test events."""

_RIVALS = {
    "champion": pl.String,
    "model": pl.String,
    **COMPARED,
}


def _decided_before(workspace: Workspace) -> bool:
    """Whether what was decided is in force.

    A run that was killed before the version took over finds the old one, and decides alike.
    """
    lake = workspace.lake
    if not (lake.exists("champion") and lake.exists(RIVALS)):
        return False
    return bool(lake.read("champion")["version"].item() == judged_champion(workspace))


@table_asset(
    inputs=["metrics", *SPLIT_INPUTS],
    # The metrics name the versions that these tables hold.
    also_reads=["metrics_per_user", *MODEL_TABLES, *SPLIT_TABLES],
    also_writes=[RIVALS],
    choices=lambda workspace: {"samples": workspace.settings.bootstrap_samples},
    intact=_decided_before,
    figures=champion_figures,
    group="evaluation",
    kinds={"numpy", "parquet"},
    code_version="2",
)
def champion(making: Making) -> None:
    """The best model on validation, if it is not worse than the champion before it.

    The version is the one that was judged; `serving_model` fits it again and lets it answer.
    """
    from models.evaluation import paired_difference

    context, workspace, lake = making.context, making.workspace, making.lake
    settings, stamp = making.settings, making.stamp
    if fault := why_not_judged(lake):
        _crown_unjudged(context, workspace, fault, stamp)
        return
    choice = _chosen(lake)
    candidate = fitted_versions(lake, choice.model)[warm_split(lake)]
    before = judged_champion(workspace)
    if before is None and (gone := _named_now(workspace)) is not None:
        context.log.warning(f"{gone} answers, and what it was judged by is gone.")
    unreadable = None if before is None else why_unreadable(workspace, before)
    if unreadable is not None:
        context.log.warning(f"The champion {before} cannot be read any more. {unreadable}")
        before = None
    tested = by_user(_judged(lake, "test"))
    old = None
    if before is not None and before != candidate:
        old = _judged_again(workspace, before, tested["user_id"])
    decision = _decide(workspace, tested, choice.model, old)
    if before == candidate:
        decision = replace(decision, reason=f"{candidate} stays champion.")
    elif before is not None:
        decision = _after_hand(workspace, decision, candidate)
    if before is None and not decision.promote:
        raise dg.Failure(f"{candidate} may not be the first champion. {decision.reason}")
    stays = not decision.promote and before is not None
    named = before if stays and before is not None else candidate
    named_values = old if stays and old is not None else tested[choice.model].to_numpy()
    samples = max(P_RESAMPLES, settings.bootstrap_samples)
    rivals = _against_the_others(lake, tested, named, named_values, samples, settings.seed)
    reason = _reason(choice, decision, named, rivals, unreadable)
    over = paired_difference(
        named_values, tested["popularity"].to_numpy(), settings.bootstrap_samples, settings.seed
    )
    row = _row(named, candidate, before, over, reason)
    lake.write(RIVALS, _rival_rows(named, rivals), stamp)
    lake.write("champion", pl.DataFrame([row]), stamp, reason=reason, rivals=_shown(rivals))
    context.log.info(reason)


def _crown_unjudged(context: Context, workspace: Workspace, fault: str, stamp: Stamp) -> None:
    """Lets the popular list answer where nothing says of any model whether it is better."""
    lake = workspace.lake
    candidate = fitted_versions(lake, UNJUDGED)[warm_split(lake)]
    hand = hand_in_force(workspace, candidate)
    named = candidate if hand is None else hand.judged_by
    reason = f"{UNJUDGED} answers, not judged: {fault}."
    if hand is not None:
        reason = f"{reason_of_hand(hand)}, and stays. No model can be judged: {fault}."
    row = {
        "version": named,
        "candidate": candidate,
        "before": judged_champion(workspace) or "",
        "promoted": named == candidate,
        "reason": reason,
        # It is the popular list.
        "over_popularity": 0.0,
        "over_popularity_low": 0.0,
        "over_popularity_high": 0.0,
    }
    lake.write(RIVALS, _rival_rows(named, {}), stamp)
    lake.write("champion", pl.DataFrame([row]), stamp, reason=reason, rivals=[])
    context.log.warning(reason)


def judged_champion(workspace: Workspace) -> str | None:
    """The version by which the model that answers was judged; None if there is none.

    The model that answers is as a rule fitted to everything, including the events that judge today.
    """
    version = _named_now(workspace)
    if version is None or not has_version(workspace, version):
        return None
    judged_by = open_registry(workspace).version(version).judged_by or version
    return judged_by if has_version(workspace, judged_by) else None


def _named_now(workspace: Workspace) -> str | None:
    """The version that the champion file names, whether it is still there or not."""
    return open_registry(workspace).champion()


def _judged(lake: Lake, part: str) -> pl.DataFrame:
    """NDCG@10 of every user and model of the split that a champion is chosen on."""
    wanted = (pl.col("split") == warm_split(lake)) & (pl.col("part") == part)
    return lake.scan("metrics_per_user").filter(wanted).collect()


def _chosen(lake: Lake) -> "Choice":
    """The candidate family with the highest NDCG@10 on validation events, never on test events."""
    from models.promotion import choose

    candidates = [entry.name for entry in CATALOGUE if entry.candidate]
    validation = _judged(lake, "validation").filter(pl.col("model").is_in(candidates))
    if validation.is_empty():
        raise dg.Failure("No user has events to validate on: run the splits again.")
    values = by_user(validation).drop("user_id")
    return choose({name: float(values[name].to_numpy().mean()) for name in values.columns})


def _decide(
    workspace: Workspace, tested: pl.DataFrame, name: str, old: np.ndarray | None
) -> "Decision":
    from models.promotion import decide

    return decide(
        tested[name].to_numpy(),
        old,
        tested["popularity"].to_numpy(),
        samples=workspace.settings.bootstrap_samples,
        seed=workspace.settings.seed,
    )


def _after_hand(workspace: Workspace, decision: "Decision", candidate: str) -> "Decision":
    """The decision in view of what a hand has decided: that holds against versions made before it.

    Only for a candidate that would take the champion's place.
    """
    hand = hand_in_force(workspace, candidate)
    if hand is not None:
        reason = (
            f"Refused: {reason_of_hand(hand)}, and {candidate} was made before that, so that only "
            "a version made since then can take over."
        )
        return replace(decision, promote=False, reason=reason)
    current = open_promotions(workspace).current()
    if current is None or current.by == "gate":
        return decision
    since = f"{candidate} was made after {reason_of_hand(current)}."
    return replace(decision, reason=f"{decision.reason} {since}")


def _against_the_others(
    lake: Lake, tested: pl.DataFrame, named: str, named_values: np.ndarray, samples: int, seed: int
) -> dict[str, "Comparison"]:
    """The champion compared with each model of the run of another version."""
    from models.promotion import against_all

    split = warm_split(lake)
    others = {
        name: tested[name].to_numpy()
        for name in tested.columns
        if name != "user_id" and fitted_versions(lake, name).get(split) != named
    }
    return against_all(named_values, others, samples=samples, seed=seed)


def _judged_again(workspace: Workspace, version: str, user_ids: pl.Series) -> np.ndarray:
    """NDCG@10 of an earlier version on today's test events, in the order of `user_ids`."""
    from models.evaluation import EvaluationConfig, evaluate
    from models.reindexed import Reindexed

    registry = open_registry(workspace)
    data = split_data(workspace.lake, warm_split(workspace.lake))
    seed = workspace.settings.seed
    model = Reindexed(
        registry.load(version), registry.item_ids(version), data.dataset.item_ids, seed
    )
    evaluation = evaluate(
        model,
        data.dataset,
        data.test,
        split=data.name,
        run_id=version,
        config=EvaluationConfig(cutoffs=(10,), samples=1, seed=seed),
    )
    names = np.array(data.dataset.user_ids.ids, dtype=object)[evaluation.users]
    per_user = pl.DataFrame({"user_id": names.tolist(), "ndcg_10": evaluation.per_user["ndcg", 10]})
    ordered = pl.DataFrame({"user_id": user_ids}).join(
        per_user, on="user_id", how="left", maintain_order="left"
    )
    return ordered["ndcg_10"].to_numpy()


def _reason(
    choice: "Choice",
    decision: "Decision",
    named: str,
    rivals: dict[str, "Comparison"],
    unreadable: str | None,
) -> str:
    """Why this version is champion."""
    from models.promotion import better, confirmed

    joined = "but" if better(rivals) else "and"
    if decision.promote:
        reason = f"{choice.said}, {joined} {confirmed(rivals)}. {decision.reason}"
    else:
        reason = f"{choice.said}. {decision.reason} {named} stays, {joined} {confirmed(rivals)}."
    return reason if unreadable is None else f"{reason} The one before cannot be read: {unreadable}"


def _row(
    named: str, candidate: str, before: str | None, over: "PairedDifference", reason: str
) -> dict[str, Any]:
    """The table's row; `over` is the champion less popularity, whichever version that is."""
    return {
        "version": named,
        "candidate": candidate,
        "before": before or "",
        "promoted": named == candidate,
        "reason": reason,
        "over_popularity": over.mean,
        "over_popularity_low": over.low,
        "over_popularity_high": over.high,
    }


def _rival_rows(named: str, rivals: dict[str, "Comparison"]) -> pl.DataFrame:
    rows = [
        {"champion": named, "model": name, **vars(comparison)}
        for name, comparison in rivals.items()
    ]
    return pl.DataFrame(rows, schema=_RIVALS)


def _shown(rivals: dict[str, "Comparison"]) -> list[dict[str, Any]]:
    """The comparisons for readers: how much better the champion is than each model."""
    return [
        {
            "model": name,
            "champion less the model": f"{comparison.difference:+.4f} "
            f"[{comparison.ci_low:+.4f}, {comparison.ci_high:+.4f}]",
            "p (Holm)": f"{comparison.p_holm:.4f}",
        }
        for name, comparison in sorted(rivals.items(), key=lambda entry: entry[1].difference)
    ]

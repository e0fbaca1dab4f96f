"""Which model is champion: the gate between a new model and the users."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl

from assets.assembled_splits import assembled_split
from assets.by_hand import decision_by_hand, reason_of_decision_by_hand, why_unreadable
from assets.candidate_health import candidate_health
from assets.champion_rows import RIVALS, champion_row, rival_rows, rivals_shown
from assets.current_models import require_current
from assets.datasets import SPLIT_INPUTS, SPLIT_TABLES, SplitData, warm_split
from assets.evaluation import BASELINES, P_RESAMPLES, by_user
from assets.gate import GATE, gate_figures, gate_rows, segments_in
from assets.judging import UNJUDGED, why_not_judged
from assets.registry import has_version, open_promotions, open_registry
from assets.stage import Context
from assets.table_asset import Making, table_asset
from assets.training import MODEL_TABLES, fitted_versions
from crossmodal.lake import Lake
from crossmodal.workspace import Workspace
from models.catalogue import CATALOGUE

if TYPE_CHECKING:
    from models.evaluation import Comparison
    from models.gate import Limits, Measured, Verdict
    from models.promotion import Choice


def _decided_before(workspace: Workspace) -> bool:
    """Whether what was decided is in force.

    A run that was killed before the version took over finds the old one, and decides alike.
    """
    lake = workspace.lake
    if not lake.exists("champion"):
        return False
    return bool(lake.read("champion")["version"].item() == judged_champion(workspace))


@dataclass(frozen=True)
class _Incumbent:
    """The champion before this run, by the version that was judged.

    Attributes:
        version: None where there is none, or where it cannot be read any more.
        unreadable: why it cannot be read, a sentence; None for any other reason.
    """

    version: str | None
    unreadable: str | None = None


@dataclass(frozen=True)
class _Outcome:
    """Which version is champion after the gate, and why.

    Attributes:
        champion: the candidate, or the incumbent that stays.
        values: (n_users,) its NDCG@10 of each test user.
        candidate: the best version of this run by validation.
        choice: how validation chose it.
        verdict: whether it takes over, and why.
        incumbent: what it was compared with.
    """

    champion: str
    values: np.ndarray
    candidate: str
    choice: "Choice"
    verdict: "Verdict"
    incumbent: _Incumbent


@table_asset(
    inputs=["metrics", *SPLIT_INPUTS],
    # The metrics name the versions that these tables hold.
    also_reads=["metrics_per_user", *MODEL_TABLES, *SPLIT_TABLES],
    also_writes=[RIVALS, GATE],
    choices=lambda workspace: {
        "samples": workspace.settings.bootstrap_samples,
        "margin": workspace.settings.gate_margin,
        "segment_margin": workspace.settings.gate_segment_margin,
        "coverage": workspace.settings.gate_coverage,
    },
    intact=_decided_before,
    figures=gate_figures,
    group="evaluation",
    kinds={"numpy", "parquet"},
    code_version="4",
)
def champion(making: Making) -> None:
    """The best model on validation, if it is not worse than the champion before it.

    The version is the one that was judged; `serving_model` fits it again and lets it answer.
    """
    if fault := why_not_judged(making.lake):
        making.lake.write(GATE, gate_rows(()), making.stamp)
        _crown_unjudged(making, fault)
        return
    require_current(making.workspace)
    choice = _chosen(making.lake)
    tested = by_user(_judged(making.lake, "test"))
    outcome = _outcome(making.context, making.workspace, choice, tested)
    _write_outcome(making, tested, outcome)


def _outcome(
    context: Context, workspace: Workspace, choice: "Choice", tested: pl.DataFrame
) -> _Outcome:
    """Lets the chosen model challenge the incumbent on the test events.

    Args:
        context: of the asset.
        workspace: whose champion it is.
        choice: the best model by validation.
        tested: NDCG@10 of the test users, by `by_user`.
    """
    candidate = fitted_versions(workspace.lake, choice.model)[warm_split(workspace.lake)]
    incumbent = _incumbent(context, workspace)
    version = incumbent.version
    measured = _measured(workspace.lake, candidate, tested[choice.model])
    if version == candidate:
        # It is champion already: its health is not asked for again.
        verdict = _verdict(workspace, choice.model, tested, measured)
        stays = replace(verdict, reason=f"{candidate} stays champion.")
        return _Outcome(candidate, measured.values, candidate, choice, stays, incumbent)
    data = assembled_split(workspace, warm_split(workspace.lake))
    incumbent_measured = None
    if version is not None:
        incumbent_measured = _judged_again(workspace, version, data, tested["user_id"])
    verdict = _verdict(workspace, choice.model, tested, measured, incumbent_measured, data)
    if version is not None:
        verdict = _heeding_decisions_by_hand(workspace, verdict, candidate)
    answering = measured if verdict.promote else incumbent_measured
    if answering is None:
        answering = _in_place_of_the_first(workspace.lake, candidate, tested, verdict)
    return _Outcome(answering.name, answering.values, candidate, choice, verdict, incumbent)


def _in_place_of_the_first(
    lake: Lake, candidate: str, tested: pl.DataFrame, verdict: "Verdict"
) -> "Measured":
    """The popular list, which answers where the first candidate is refused and none was before."""
    popular = fitted_versions(lake, UNJUDGED)[warm_split(lake)]
    measured = _measured(lake, popular, tested[UNJUDGED])
    if popular == candidate or np.isnan(measured.values).all():
        raise dg.Failure(f"{candidate} may not be the first champion. {verdict.reason}")
    return measured


def _incumbent(context: Context, workspace: Workspace) -> _Incumbent:
    """The champion before this run; says in the log why there is none to compare with."""
    version = judged_champion(workspace)
    if version is None:
        if (gone := _version_in_file(workspace)) is not None:
            context.log.warning(f"{gone} answers, and what it was judged by is gone.")
        return _Incumbent(None)
    unreadable = why_unreadable(workspace, version)
    if unreadable is None:
        return _Incumbent(version)
    context.log.warning(f"The champion {version} cannot be read any more. {unreadable}")
    return _Incumbent(None, unreadable)


def _write_outcome(making: Making, tested: pl.DataFrame, outcome: _Outcome) -> None:
    """Writes both tables: why this version is champion, and how it compares with the others."""
    from models.evaluation import paired_difference

    lake, settings = making.lake, making.settings
    rivals = _against_the_others(making.workspace, tested, outcome)
    reason = _reason(outcome, rivals)
    over = paired_difference(
        outcome.values, tested["popularity"].to_numpy(), settings.bootstrap_samples, settings.seed
    )
    row = champion_row(outcome.champion, outcome.candidate, outcome.incumbent.version, reason, over)
    lake.write(RIVALS, rival_rows(outcome.champion, rivals), making.stamp)
    lake.write(GATE, gate_rows(outcome.verdict.figures), making.stamp)
    lake.write("champion", row, making.stamp, reason=reason, rivals=rivals_shown(rivals))
    making.context.log.info(reason)


def _crown_unjudged(making: Making, fault: str) -> None:
    """Lets the popular list answer where nothing says of any model whether it is better."""
    from models.evaluation import PairedDifference

    lake, workspace = making.lake, making.workspace
    candidate = fitted_versions(lake, UNJUDGED)[warm_split(lake)]
    by_hand = decision_by_hand(workspace, candidate)
    answering = candidate if by_hand is None else by_hand.judged_by
    reason = f"{UNJUDGED} answers, not judged: {fault}."
    if by_hand is not None:
        put_in_charge = reason_of_decision_by_hand(by_hand)
        reason = f"{put_in_charge}, and stays. No model can be judged: {fault}."
    # The popular list is no better than itself; what a hand has chosen instead was not compared.
    none = PairedDifference(0.0, 0.0, 0.0, p=1.0, n_users=0)
    over = none if answering == candidate else None
    row = champion_row(answering, candidate, judged_champion(workspace), reason, over)
    lake.write(RIVALS, rival_rows(answering, {}), making.stamp)
    lake.write("champion", row, making.stamp, reason=reason, rivals=[])
    making.context.log.warning(reason)


def judged_champion(workspace: Workspace) -> str | None:
    """The version by which the model that answers was judged; None if there is none.

    The model that answers is as a rule fitted to everything, including the events that judge today.
    """
    version = _version_in_file(workspace)
    if version is None or not has_version(workspace, version):
        return None
    judged_by = open_registry(workspace).version(version).judged_by or version
    return judged_by if has_version(workspace, judged_by) else None


def _version_in_file(workspace: Workspace) -> str | None:
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


def _verdict(
    workspace: Workspace,
    model: str,
    tested: pl.DataFrame,
    candidate: "Measured",
    incumbent: "Measured | None" = None,
    data: SplitData | None = None,
) -> "Verdict":
    """Whether the candidate may take over, by all that the gate compares.

    Args:
        workspace: whose champion it is.
        model: the candidate's name in the catalogue.
        tested: NDCG@10 of the test users, by `by_user`.
        candidate: with the figures of `tested`.
        incumbent: what it would take the place of; None for nothing.
        data: to ask the candidate about; None for one that answers already.
    """
    from models.gate import judge
    from models.gate_health import Health

    lake = workspace.lake
    return judge(
        candidate,
        incumbent,
        _yardsticks(lake, tested, model),
        segments_in(lake, tested["user_id"]),
        Health() if data is None else candidate_health(workspace, model, candidate.name, data),
        _limits(workspace),
    )


def _limits(workspace: Workspace) -> "Limits":
    """What the gate still accepts."""
    from models.gate import Limits

    settings = workspace.settings
    return Limits(
        settings.gate_margin,
        settings.gate_segment_margin,
        settings.gate_coverage,
        settings.bootstrap_samples,
        settings.seed,
    )


def _measured(lake: Lake, version: str, values: pl.Series) -> "Measured":
    """A version of this run with its NDCG@10 (n_users,) and the coverage of the same lists."""
    from models.gate import Measured

    wanted = {"run_id": version, "split": warm_split(lake), "segment": "all"}
    shown = lake.scan("metrics").filter(**wanted, metric="coverage", k=10).collect()["value"]
    return Measured(version, values.to_numpy(), *shown.to_list()[:1])


def _yardsticks(lake: Lake, tested: pl.DataFrame, model: str) -> "list[Measured]":
    """Popularity, and the best other baseline by validation, as the test must not choose it."""
    from models.gate import Measured

    others = [name for name in BASELINES if name in tested.columns and name != model]
    validation = by_user(_judged(lake, "validation").filter(pl.col("model").is_in(others)))
    means = {name: float(validation[name].to_numpy().mean()) for name in others}
    best = max(others, key=lambda name: (means[name], name), default=UNJUDGED)
    return [Measured(name, tested[name].to_numpy()) for name in dict.fromkeys((UNJUDGED, best))]


def _heeding_decisions_by_hand(
    workspace: Workspace, verdict: "Verdict", candidate: str
) -> "Verdict":
    """The gate's verdict, refused where one by hand keeps the candidate out.

    Only for a candidate that would take the champion's place.
    """
    by_hand = decision_by_hand(workspace, candidate)
    if by_hand is not None:
        reason = (
            f"Refused: {reason_of_decision_by_hand(by_hand)}, and {candidate} was made before "
            "that, so that only a version made since then can take over."
        )
        return replace(verdict, promote=False, reason=reason)
    current = open_promotions(workspace).current()
    if current is None or current.by == "gate":
        return verdict
    since = f"{candidate} was made after {reason_of_decision_by_hand(current)}."
    return replace(verdict, reason=f"{verdict.reason} {since}")


def _against_the_others(
    workspace: Workspace, tested: pl.DataFrame, outcome: _Outcome
) -> dict[str, "Comparison"]:
    """The champion compared with each model of the run of another version."""
    from models.promotion import against_all

    lake, settings = workspace.lake, workspace.settings
    split = warm_split(lake)
    others = {
        name: tested[name].to_numpy()
        for name in tested.columns
        if name != "user_id" and fitted_versions(lake, name).get(split) != outcome.champion
    }
    samples = max(P_RESAMPLES, settings.bootstrap_samples)
    return against_all(outcome.values, others, samples=samples, seed=settings.seed)


def _judged_again(
    workspace: Workspace, version: str, data: SplitData, user_ids: pl.Series
) -> "Measured":
    """An earlier version on today's test events, with its users in the order of `user_ids`."""
    from models.evaluation import EvaluationConfig, evaluate
    from models.gate import Measured
    from models.reindexed import Reindexed

    registry = open_registry(workspace)
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
    coverage = [row.value for row in evaluation.rows if row.metric == "coverage"]
    return Measured(version, ordered["ndcg_10"].to_numpy(), *coverage)


def _reason(outcome: _Outcome, rivals: dict[str, "Comparison"]) -> str:
    """Why this version is champion."""
    from models.promotion import better, confirmed

    chosen, verdict = outcome.choice.said, outcome.verdict
    joined = "but" if better(rivals) else "and"
    if verdict.promote or outcome.champion == outcome.candidate:
        reason = f"{chosen}, {joined} {confirmed(rivals)}. {verdict.reason}"
    else:
        does = "stays" if outcome.incumbent.version else "answers in its place"
        stays = f"{outcome.champion} {does}, {joined} {confirmed(rivals)}."
        reason = f"{chosen}. {verdict.reason} {stays}"
    unreadable = outcome.incumbent.unreadable
    return reason if unreadable is None else f"{reason} The one before cannot be read: {unreadable}"

"""Which version answers: the champion's recipe, fitted again to everything."""

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from assets.assembled_splits import assembled_split
from assets.by_hand import decision_by_hand, reason_of_decision_by_hand
from assets.champion import judged_champion
from assets.datasets import (
    SPLIT_INPUTS,
    SPLIT_TABLES,
    all_events_data,
    warm_split,
)
from assets.drift_table import DRIFT
from assets.item_vectors import VECTOR_TABLES, encoders_of
from assets.judging import why_not_judged
from assets.prequential import PREQUENTIAL
from assets.registry import (
    data_versions,
    has_version,
    open_promotions,
    open_registry,
)
from assets.stage import Context, Stamp
from assets.table_asset import Choices, Making, table_asset
from assets.training import git_commit
from assets.warm_start import Beginning, beginning, judgement, newest_learned, warm_started
from crossmodal.workspace import Workspace
from models.catalogue import CATALOGUE
from models.data import Dataset, Histories
from models.distinct import distinct

if TYPE_CHECKING:
    from models.champion_history import Promotion
    from models.protocol import Recommender, Refittable
    from models.refitting import Soundness

ALL_EVENTS = "all-events"
"""What stands in the name of a version in place of the split: it was fitted to everything."""

_ASKED_USERS = 200
"""Users, drawn by the seed, whose lists are held against those of the judged version."""


def _acceptance_choices(workspace: Workspace) -> Choices:
    """What decides whether a refitted version answers, and changes nothing of the version."""
    settings = workspace.settings
    return {
        "overlap": settings.refit_overlap,
        "list_seconds": settings.refit_list_seconds,
        "k": settings.recommendations_k,
        "seed": settings.seed,
    }


def _by_hand_choice(workspace: Workspace) -> Choices:
    """The version that somebody has put in charge, as long as that decision holds."""
    by_hand = decision_by_hand(workspace, _judged_by(workspace))
    return {} if by_hand is None else {"by_hand": by_hand.version}


def _judged_by(workspace: Workspace) -> str:
    """The version that the gate made champion: whose figures speak for what answers."""
    return str(workspace.lake.read("champion")["version"].item())


def _is_in_use(workspace: Workspace) -> bool:
    """Whether the version that the table names is the one that answers now."""
    lake = workspace.lake
    if not lake.exists("serving_model"):
        return False
    version = lake.read("serving_model")["version"].item()
    return (
        has_version(workspace, version)
        and open_registry(workspace).champion() == version
        and judged_champion(workspace) == _judged_by(workspace)
    )


@table_asset(
    # Of the champion's table only the version counts, and that is a choice here. The new events
    # judge the version that has answered until now, and are compared with what it learned from,
    # before another one learns from them.
    after=["champion", PREQUENTIAL, DRIFT],
    inputs=SPLIT_INPUTS,
    also_reads=[*SPLIT_TABLES, *VECTOR_TABLES],
    choices=lambda workspace: {
        "judged_by": _judged_by(workspace),
        **_acceptance_choices(workspace),
        **_by_hand_choice(workspace),
    },
    intact=_is_in_use,
    group="evaluation",
    kinds={"safetensors"},
    code_version="3",
)
def serving_model(making: Making) -> dict[str, Any]:
    """The version that answers: the champion's recipe fitted to all events, if that is sound.

    Otherwise, or where newer events were seen to make the recipe worse, the judged version answers.
    What somebody has put in charge answers as it is, until a version made since then takes over.
    """
    context, workspace = making.context, making.workspace
    judged_by = _judged_by(workspace)
    by_hand = decision_by_hand(workspace, judged_by)
    if by_hand is not None:
        _write(making, _row_of_decision_by_hand(by_hand))
        return {"fitted": 0, "fit_s": 0.0}
    judged_model = open_registry(workspace).load(judged_by)
    started = time.perf_counter()
    row = _refit_or_judged(context, workspace, judged_by, judged_model, _stamp_of_refit(making))
    seconds = time.perf_counter() - started
    if row["fault"]:
        context.log.error(row["reason"])
    _put_in_use(making, row, judged_by)
    return {"fitted": int(_trains(judged_model)), "fit_s": round(seconds, 3)}


def _stamp_of_refit(making: Making) -> Stamp:
    """The part of the stamp that says what a refitted version is made from.

    What only decides who answers is left out: a change of that must not make a new version of the
    same model.
    """
    workspace = making.workspace
    only_who_answers = {**_acceptance_choices(workspace), **_by_hand_choice(workspace)}
    others = {f"choice:{name}" for name in only_who_answers}
    return {name: value for name, value in making.stamp.items() if name not in others}


def _put_in_use(making: Making, row: dict[str, Any], judged_by: str) -> None:
    """Makes a row's version the one that answers, unless one was chosen by hand meanwhile."""
    workspace = making.workspace
    promotions = open_promotions(workspace)
    with promotions.deciding():
        by_hand = decision_by_hand(workspace, judged_by)
        if by_hand is not None:
            _write(making, _row_of_decision_by_hand(by_hand))
            return
        _write(making, row)
        verdict = workspace.lake.read("champion")["reason"].item()
        # Last, so that a run that was killed earlier does all of this again.
        promotions.promote(row["version"], by="gate", reason=f"{verdict} {row['reason']}")


def _write(making: Making, row: dict[str, Any]) -> None:
    frame = pl.DataFrame([row], schema=_SCHEMA)
    summary = {**_metadata(row), "judgement": judgement(making.workspace)}
    making.lake.write("serving_model", frame, making.stamp, **summary)


_SCHEMA = {
    "version": pl.String,
    "judged_by": pl.String,
    "refit": pl.String,
    "fault": pl.String,
    "overlap": pl.Float64,
    "warm_started_from": pl.String,
    "warm_starts": pl.Int64,
    "reason": pl.String,
}


def _refit_or_judged(
    context: Context,
    workspace: Workspace,
    judged_by: str,
    judged_model: "Recommender",
    stamp: Stamp,
) -> dict[str, Any]:
    """The table's row: whether the refitted version answers or the judged one, and why."""
    data = all_events_data(workspace.lake)
    begins = beginning(workspace, judged_by, judged_model)
    refit, begins = warm_started(context, workspace, data, begins)
    if refit is None:
        # What is gone on from has passed this since the models were judged.
        if loss := _loss_by_newest(context, workspace, judged_model):
            return _declined(judged_by, loss)
        made = _refitted(context, judged_model, data)
        if isinstance(made, str):
            return _row(judged_by, judged_by, fault=made)
        refit = made
    items = open_registry(workspace).item_ids(judged_by)
    verdict = _soundness(workspace, refit, judged_model, items, data)
    version = _registered(workspace, refit, judged_by, data, stamp, begins)
    if begins.said:
        context.log.info(f"{version} was {begins.said}.")
    fault = "; ".join(verdict.faults)
    answering = judged_by if fault else version
    return _row(answering, judged_by, version, fault, verdict.overlap, begins)


def _trains(model: "Recommender") -> bool:
    """Whether a model trains weights; a baseline only counts."""
    return any(entry.learns for entry in CATALOGUE if entry.name == model.name)


def _loss_by_newest(context: Context, workspace: Workspace, judged_model: "Recommender") -> str:
    """Why the recipe should not learn from the newest events; empty if it may.

    A model that validates itself learned from the validation events before it was judged.
    """
    from models.failures import FIT_FAILURES
    from models.protocol import Refittable, SelfValidated
    from models.refitting import worth_of_newest

    if not isinstance(judged_model, Refittable) or isinstance(judged_model, SelfValidated):
        return ""
    if why_not_judged(workspace.lake):
        return ""
    dataset = assembled_split(workspace, warm_split(workspace.lake)).dataset
    try:
        worth = worth_of_newest(judged_model, dataset, workspace.settings.seed)
    except FIT_FAILURES as error:
        context.log.warning(
            f"What a refit of {judged_model.name} is worth is not known.", exc_info=error
        )
        return ""
    if not worth.high < 0:
        return ""
    return (
        f"the newest tenth of each user's training events changed the validation NDCG@10 of its "
        f"recipe by {worth.mean:+.4f} [{worth.low:+.4f}, {worth.high:+.4f}]"
    )


def _refitted(context: Context, judged_model: "Recommender", data: Dataset) -> "Refittable | str":
    """The judged model's recipe fitted to everything, or why it could not be."""
    from models.failures import FIT_FAILURES
    from models.protocol import Refittable

    if not isinstance(judged_model, Refittable):
        return f"a model of the family {judged_model.name} cannot be fitted again"
    try:
        return judged_model.refitted(data)
    except FIT_FAILURES as error:
        context.log.warning(f"Fitting {judged_model.name} to all events failed.", exc_info=error)
        return f"fitting it to all events failed: {error}"


def _soundness(
    workspace: Workspace,
    refit: "Recommender",
    judged_model: "Recommender",
    judged_items: tuple[str, ...],
    data: Dataset,
) -> "Soundness":
    from models.refitting import RefitLimits, soundness
    from models.reindexed import Reindexed

    settings = workspace.settings
    users = distinct(data.train.users)
    drawn = np.random.default_rng(settings.seed).permutation(users)[:_ASKED_USERS]
    return soundness(
        refit,
        Reindexed(judged_model, judged_items, data.item_ids, settings.seed),
        Histories.of(data.train, np.sort(drawn)),
        RefitLimits(
            settings.refit_overlap, settings.refit_list_seconds, settings.recommendations_k
        ),
    )


def _registered(
    workspace: Workspace,
    refit: "Refittable",
    judged_by: str,
    data: Dataset,
    stamp: Stamp,
    begins: Beginning,
) -> str:
    """The refitted model as a version of its own, which names the one that speaks for it."""
    registry = open_registry(workspace)
    family = registry.version(judged_by).name.removesuffix(f"-{warm_split(workspace.lake)}")
    made = registry.add(
        f"{family}-{ALL_EVENTS}",
        refit,
        metrics=[],
        data_versions=data_versions(workspace.lake, SPLIT_INPUTS),
        # From other weights the same events make another version.
        stamp=stamp | ({"warm_started_from": begins.version} if begins.version else {}),
        git_commit=git_commit(),
        item_ids=data.item_ids.ids,
        judged_by=judged_by,
        encoders=encoders_of(workspace.lake),
        newest_event=newest_learned(workspace, begins),
        warm_started_from=begins.version,
        warm_starts=begins.starts,
    )
    return made.version


def _row(
    version: str,
    judged_by: str,
    refit: str = "",
    fault: str = "",
    overlap: float | None = None,
    begins: Beginning | None = None,
) -> dict[str, Any]:
    """The table's row.

    Args:
        version: that answers.
        judged_by: the champion that was judged.
        refit: the version that was fitted to everything; empty where there is none.
        fault: why it does not answer though it should; empty for no fault.
        overlap: mean share of the judged version's lists that its lists hold; None for no lists.
        begins: where its fit began; None where there is none.
    """
    reason = f"{version} answers: the recipe of {judged_by}, fitted again to all events."
    if begins is not None and begins.said:
        reason = f"{reason} It was {begins.said}."
    if fault:
        reason = f"{judged_by} answers, and no version that knows the newest events: {fault}."
    return {
        "version": version,
        "judged_by": judged_by,
        "refit": refit,
        "fault": fault,
        "overlap": overlap,
        "warm_started_from": begins.version if begins else "",
        "warm_starts": begins.starts if begins else 0,
        "reason": reason,
    }


def _declined(judged_by: str, loss: str) -> dict[str, Any]:
    """The table's row where the newest events would make answers worse, which is no fault."""
    reason = f"{judged_by} answers as it was judged: {loss}."
    return _row(judged_by, judged_by) | {"reason": reason}


def _row_of_decision_by_hand(by_hand: "Promotion") -> dict[str, Any]:
    """The table's row where a decision by hand holds, which is no fault."""
    put_in_charge = reason_of_decision_by_hand(by_hand)
    reason = f"{put_in_charge}; it answers as it is until a version made since takes over."
    return _row(by_hand.version, by_hand.judged_by) | {"reason": reason}


def _metadata(row: dict[str, Any]) -> dict[str, Any]:
    """What the web UI shows of a row."""
    named = ("version", "judged_by", "warm_started_from", "warm_starts", "reason")
    shown = {name: row[name] for name in named}
    return shown if row["overlap"] is None else shown | {"overlap": row["overlap"]}

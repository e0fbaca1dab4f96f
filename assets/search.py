"""The search for better settings of the models that CROSSMODAL_SEARCH_MODELS names."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from assets.datasets import SPLIT_INPUTS, split_data, splits_in
from assets.pictures import search_trials
from assets.stage import OWNERS, Context, Stamp, made_from, materialize_table
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.catalogue import CATALOGUE, SPACES, ModelEntry

if TYPE_CHECKING:
    from models.data import Dataset
    from models.search.objective import Objective, OnEpoch
    from models.search.study import Trial

TRIALS_TABLE = "hyperparameter_trials"
_PICTURE = "hyperparameter_trials"
_SCHEMA = pl.Schema(
    {
        "model": pl.String(),
        "split": pl.String(),
        "trial": pl.Int64(),
        "state": pl.String(),
        "value": pl.Float64(),
        "settings": pl.String(),
        "seconds": pl.Float64(),
    }
)

_CODE_VERSION = "2"
"""Raised when the same settings would be judged otherwise."""


@dg.asset(
    deps=list(SPLIT_INPUTS),
    group_name="training",
    owners=OWNERS,
    kinds={"optuna", "parquet"},
    code_version=_CODE_VERSION,
)
def hyperparameter_search(
    context: Context, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult:
    """Settings tried for the named models, judged by validation events; off where none is named.

    What was tried stays in the state folder, so that a search that was stopped goes on from there.
    """
    entries = [entry for entry in CATALOGUE if entry.name in workspace.settings.search_models]
    stamp = _stamp(context, workspace, entries)

    def make() -> dict[str, int]:
        rows: list[dict[str, Any]] = []
        best: dict[str, dict[str, Any]] = {}
        for entry in entries:
            split = splits_in(workspace.lake, (entry.searched_on,))[0]
            trials = _search(context, workspace, entry, split)
            rows += [_row(entry, split, trial) for trial in trials]
            best |= _best(entry, split, trials)
        frame = pl.DataFrame(rows, schema=_SCHEMA)
        if rows:
            search_trials(workspace.paths.pictures / f"{_PICTURE}.png", frame)
        workspace.lake.write(TRIALS_TABLE, frame, stamp, best=best)
        return {"trials": frame.height}

    return materialize_table(context, workspace, TRIALS_TABLE, stamp, make, (_PICTURE,))


def _stamp(context: Context, workspace: Workspace, entries: Sequence[ModelEntry]) -> Stamp:
    """What the search is made from; a run that names no model leaves the last search as it is."""
    lake, settings = workspace.lake, workspace.settings
    if not entries and lake.exists(TRIALS_TABLE):
        return dict(lake.version(TRIALS_TABLE).stamp)
    return made_from(
        context,
        workspace,
        *(SPLIT_INPUTS if entries else ()),
        models={entry.name: _made_of(entry, settings) for entry in entries},
        budget=[settings.search_trials, settings.search_seconds],
    )


def _made_of(entry: ModelEntry, settings: Settings) -> list[Any]:
    """All that a trial depends on but the data and the searched settings."""
    space = SPACES[entry.name]
    return [
        _CODE_VERSION,
        entry.code_version,
        dict(entry.choose(settings)),
        repr(space.parameters),
    ]


def _search(
    context: Context, workspace: Workspace, entry: ModelEntry, split: str
) -> tuple["Trial", ...]:
    from models.search.study import Budget, search

    settings, space = workspace.settings, SPACES[entry.name]
    work = f"Searching settings of {entry.name}"
    workspace.progress(work, 0, settings.search_trials)

    def on_trial(trial: "Trial") -> None:
        workspace.progress(work, trial.number + 1, settings.search_trials)
        context.log.info(_line(entry.name, trial))

    return search(
        _study_name(context, workspace, entry, split),
        space,
        _objective(entry, split_data(workspace.lake, split).dataset, settings),
        workspace.paths.studies,
        defaults=space.chosen(entry.default_config(settings)),
        budget=Budget(settings.search_trials, settings.search_seconds),
        seed=settings.seed,
        on_trial=on_trial,
    )


def _objective(entry: ModelEntry, dataset: "Dataset", settings: Settings) -> "Objective":
    from models.search.objective import objective_of

    def build(chosen: Mapping[str, Any], on_epoch: "OnEpoch") -> Any:
        return entry.build({**entry.choose(settings), **chosen}, settings.device, on_epoch)

    return objective_of(build, dataset, settings.seed)


def _study_name(context: Context, workspace: Workspace, entry: ModelEntry, split: str) -> str:
    """Names all that a trial's figure depends on: other data, or other code, is another study."""
    made_of = _made_of(entry, workspace.settings)
    stamp = made_from(context, workspace, *SPLIT_INPUTS, model=made_of)
    digest = hashlib.sha256(json.dumps(stamp, sort_keys=True).encode()).hexdigest()[:16]
    return f"{entry.name} on {split}, {digest}"


def _row(entry: ModelEntry, split: str, trial: "Trial") -> dict[str, Any]:
    return {
        "model": entry.name,
        "split": split,
        "trial": trial.number,
        "state": trial.state,
        "value": trial.value,
        "settings": json.dumps(trial.settings),
        "seconds": round(trial.seconds, 3),
    }


def _best(entry: ModelEntry, split: str, trials: Sequence["Trial"]) -> dict[str, dict[str, Any]]:
    """The best settings next to the defaults' figure; nothing where no trial was complete."""
    from models.search.study import best_trial

    best = best_trial(trials)
    if best is None:
        return {}
    first = trials[0]
    return {
        entry.name: {
            "settings": dict(best.settings),
            "split": split,
            "validation": best.value,
            "default_validation": first.value if first.state == "complete" else None,
            "trials": len(trials),
        }
    }


def _line(model: str, trial: "Trial") -> str:
    value = "" if trial.value is None else f", validation NDCG@10 {trial.value:.4f}"
    return f"{model}, trial {trial.number}: {trial.state}{value} ({trial.seconds:.1f} s)"

"""The search for better settings of the models that CROSSMODAL_SEARCH_MODELS names."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.datasets import SPLIT_INPUTS, SPLIT_TABLES, splits_in
from assets.impressions import IMPRESSIONS, choices_of_impressions, learned_from
from assets.pictures import search_trials
from assets.stage import Stamp
from assets.table_asset import Choices, Making, table_asset
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


def _searched(settings: Settings) -> list[ModelEntry]:
    return [entry for entry in CATALOGUE if entry.name in settings.search_models]


def _search_choices(workspace: Workspace) -> Choices:
    settings = workspace.settings
    return {
        "models": {entry.name: _made_of(entry, workspace) for entry in _searched(settings)},
        "budget": [settings.search_trials, settings.search_seconds],
    }


@table_asset(
    table=TRIALS_TABLE,
    inputs=SPLIT_INPUTS,
    after=[IMPRESSIONS],
    also_reads=SPLIT_TABLES,
    choices=_search_choices,
    pictures=(_PICTURE,),
    # A run that names no model leaves the last search as it is.
    settled=lambda workspace: not _searched(workspace.settings),
    group="training",
    kinds={"optuna", "parquet"},
    code_version=_CODE_VERSION,
)
def hyperparameter_search(making: Making) -> dict[str, int]:
    """Settings tried for the named models, judged by validation events; off where none is named.

    What was tried stays in the state folder, so that a search that was stopped goes on from there.
    """
    rows: list[dict[str, Any]] = []
    best: dict[str, dict[str, Any]] = {}
    for entry in _searched(making.settings):
        split = splits_in(making.lake, (entry.searched_on,))[0]
        trials = _search(making, entry, split)
        rows += [_row(entry, split, trial) for trial in trials]
        best |= _best(entry, split, trials)
    frame = pl.DataFrame(rows, schema=_SCHEMA)
    if rows:
        search_trials(making.workspace.paths.pictures / f"{_PICTURE}.png", frame)
    making.lake.write(TRIALS_TABLE, frame, making.stamp, best=best)
    return {"trials": frame.height}


def _made_of(entry: ModelEntry, workspace: Workspace) -> list[Any]:
    """All that a trial depends on but the inputs and the searched settings."""
    space, shown = SPACES[entry.name], choices_of_impressions(entry, workspace)
    return [
        _CODE_VERSION,
        entry.code_version,
        dict(entry.choose(workspace.settings)),
        repr(space.parameters),
        *([dict(shown)] if shown else []),
    ]


def _search(making: Making, entry: ModelEntry, split: str) -> tuple["Trial", ...]:
    from models.search.study import Budget, search

    workspace, settings = making.workspace, making.settings
    space = SPACES[entry.name]
    work = f"Searching settings of {entry.name}"
    workspace.progress(work, 0, settings.search_trials)

    def on_trial(trial: "Trial") -> None:
        workspace.progress(work, trial.number + 1, settings.search_trials)
        making.context.log.info(_line(entry.name, trial))

    return search(
        _study_name(making.stamp, workspace, entry, split),
        space,
        _objective(entry, learned_from(entry, workspace, split), settings),
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


def _study_name(stamp: Stamp, workspace: Workspace, entry: ModelEntry, split: str) -> str:
    """Names all that a trial's figure depends on: other data, or other code, is another study."""
    data = {name: value for name, value in stamp.items() if not name.startswith("choice:")}
    made_of = json.dumps(_made_of(entry, workspace), default=str)
    named = json.dumps({**data, "choice:model": made_of}, sort_keys=True)
    digest = hashlib.sha256(named.encode()).hexdigest()[:16]
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

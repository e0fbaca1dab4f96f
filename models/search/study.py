"""Trials of one model's settings, kept in a file, so that a stopped search goes on."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DBAPIError

from crossmodal.store_errors import store_errors_of
from models.baselines.ease import SingularError
from models.catalogue.space import OneOf, Parameter, Real, Settings, Space, Whole, nested
from models.search.objective import Objective, OnEpoch
from models.training import DivergedError, Epoch

_STARTUP = 5
"""Trials drawn blindly before the sampler models what is good, and complete before any is pruned.
"""
_ERROR = "error"
_STATES: Mapping[TrialState, Literal["complete", "pruned", "failed"]] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


@dataclass(frozen=True)
class Budget:
    """How much a search may cost, what was tried before counted in.

    Attributes:
        trials: most trials.
        seconds: no trial begins when those before took so long together; the first always does.
    """

    trials: int
    seconds: float


@dataclass(frozen=True)
class Trial:
    """One fit.

    Attributes:
        number: from 0, which has the defaults.
        state: complete; pruned where it was stopped midway; failed where its numbers diverged.
        value: NDCG@10 of the validation events; of a pruned trial, what
            its training had reported last; None of a failed one.
        settings: the searched ones, by the names of the config's fields.
        seconds: how long it took.
    """

    number: int
    state: Literal["complete", "pruned", "failed"]
    value: float | None
    settings: Settings
    seconds: float


def search(
    name: str,
    space: Space,
    objective: Objective,
    store: Path,
    *,
    defaults: Mapping[str, Any],
    budget: Budget,
    seed: int = 42,
    on_trial: Callable[[Trial], None] | None = None,
) -> tuple[Trial, ...]:
    """Looks for the settings of the best validation figure; the first trial has the defaults.

    Settings are drawn by a tree-structured Parzen estimator (Bergstra et al. 2011); a trial that is
    worse than the median of the others at the same epoch is stopped. Each draw has a seed of its
    own, made from `seed` and the trial's number: with the same figures, a search that was stopped
    and goes on tries what it would have tried anyway.

    Args:
        name: of the study in the store. It must name all that the figures depend on but the
            searched settings, since earlier trials of that name are taken over.
        space: what is searched.
        objective: what settings are worth.
        store: SQLite file of Optuna's; made where there is none.
        defaults: values of the space's parameters, tried first.
        budget: of trials and time.
        seed: of the draws.
        on_trial: called after every new trial.

    Returns:
        Every trial of the study, in order.

    Raises:
        StoreError: the store is damaged, or cannot be written.
    """
    with _opened(store, name, space) as study:
        tried = _tried(study)
        while _affords(budget, tried):
            study.sampler = _sampler(seed, len(tried))
            if not tried and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
                study.enqueue_trial(dict(defaults))
            _run(study, space, objective)
            tried = _tried(study)
            if on_trial is not None:
                on_trial(tried[-1])
    return tried


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """The complete trial of the highest value, the first of equals; None where none is complete."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return max(complete, key=lambda trial: trial.value or 0.0, default=None)


@contextmanager
def _opened(store: Path, name: str, space: Space) -> Iterator[optuna.Study]:
    """The study of that name, without the trials that a killed search left unfinished."""
    store.parent.mkdir(parents=True, exist_ok=True)
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = _storage(store)
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=_STARTUP,
                n_warmup_steps=space.warm_steps,
                interval_steps=space.step,
            ),
        )
        for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(left.number, state=TrialState.FAIL)
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()
        optuna.logging.set_verbosity(before)


def _storage(store: Path) -> optuna.storages.RDBStorage:
    try:
        return optuna.storages.RDBStorage(f"sqlite:///{store}")
    except DBAPIError as error:
        if error.orig is None:
            raise
        with store_errors_of(store, "without the trials of earlier searches"):
            raise error.orig from error


def _affords(budget: Budget, tried: Sequence[Trial]) -> bool:
    spent = sum(trial.seconds for trial in tried)
    return len(tried) < budget.trials and (not tried or spent < budget.seconds)


def _sampler(seed: int, number: int) -> optuna.samplers.TPESampler:
    sampler_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    return optuna.samplers.TPESampler(seed=sampler_seed, n_startup_trials=_STARTUP)


def _run(study: optuna.Study, space: Space, objective: Objective) -> None:
    trial = study.ask()
    values = {
        name: _suggest(trial, name, parameter) for name, parameter in space.parameters.items()
    }
    try:
        value = objective(nested(values), _judged_by(trial, space))
        if not math.isfinite(value):
            raise DivergedError(f"The validation figure is {value}.")
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except (DivergedError, SingularError) as error:
        trial.set_user_attr(_ERROR, str(error))
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, value)


def _judged_by(trial: optuna.Trial, space: Space) -> OnEpoch:
    """Tells the study of every `space.step`-th epoch, and stops the fit where it lags behind."""

    def on_epoch(epoch: Epoch) -> None:
        if epoch.number % space.step:
            return
        trial.report(1.0 - epoch.validation, epoch.number)
        if trial.should_prune():
            raise optuna.TrialPruned

    return on_epoch


def _suggest(trial: optuna.Trial, name: str, parameter: Parameter) -> Any:
    match parameter:
        case OneOf(values):
            return trial.suggest_categorical(name, values)
        case Whole(low, high, log):
            return trial.suggest_int(name, low, high, log=log)
        case Real(low, high, log):
            return trial.suggest_float(name, low, high, log=log)


def _tried(study: optuna.Study) -> tuple[Trial, ...]:
    """Every trial that ended by itself; one that was killed is not among them."""
    ended = [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or _ERROR in trial.user_attrs
    ]
    return tuple(_trial(number, trial) for number, trial in enumerate(ended))


def _trial(number: int, frozen: FrozenTrial) -> Trial:
    seconds = frozen.duration.total_seconds() if frozen.duration is not None else 0.0
    return Trial(number, _STATES[frozen.state], frozen.value, nested(frozen.params), seconds)

"""Choosing a peer's settings on validation, and its answer to the test with the chosen ones."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .exchange import RATING, Answer, Events, Floats, Ints, Task
from .ranking import best_items, mean_ndcg

CHOICE_K = 10

Settings = Mapping[str, Any]


class Peer(Protocol):
    """A model of another library."""

    def fit(self, events: Events, task: Task) -> None:
        """Learns from the events."""
        ...

    def score(self, users: Ints, histories: Sequence[Ints]) -> Floats:
        """Scores (n, n_items); -inf for an item that the model cannot score."""
        ...

    def predict(self, users: Ints, items: Ints) -> Floats:
        """Values (n,) of pairs."""
        ...


Build = Callable[[Settings, int], Peer]


@dataclass(frozen=True)
class Budget:
    """How long a peer may be tuned.

    Attributes:
        configurations: at most so many settings are tried, in the order of the grid.
        seconds: of the processor's time, over all its cores: none is begun after so many; the first
            is always tried. A busy machine then leaves as many settings as a quiet one.
        users: a seeded draw of so many users judges them, where there are more.
    """

    configurations: int
    seconds: float
    users: int


@dataclass(frozen=True)
class Trial:
    """One setting on validation: higher is better."""

    settings: Settings
    validation: float
    seconds: float


def answer(build: Build, grid: Sequence[Settings], task: Task, budget: Budget) -> Answer:
    """Tunes on validation, learns from all known events with the best settings, and answers."""
    started = time.perf_counter()
    trials = tune(build, grid, task, budget)
    chosen = max(trials, key=lambda trial: trial.validation)
    tuning_s = time.perf_counter() - started
    lists, predictions = np.zeros((0, task.k), np.int32), np.zeros(0, np.float32)
    started = time.perf_counter()
    peer = build(chosen.settings, task.seed)
    peer.fit(task.known, task)
    fitted = time.perf_counter()
    if task.kind == RATING:
        predictions = peer.predict(task.test_users, task.test_items).astype(np.float32)
    else:
        lists = best_items(
            peer.score, task.test_users, task.known, task.test_candidates, task.ties, task.k
        )
    facts = {
        "settings": dict(chosen.settings),
        "tried": [vars(trial) | {"settings": dict(trial.settings)} for trial in trials],
        "configurations_left": len(grid) - len(trials),
        "validation": chosen.validation,
        "tuning_s": tuning_s,
        "fit_s": fitted - started,
        "predict_s": time.perf_counter() - fitted,
    }
    return Answer(lists, predictions, facts)


def tune(build: Build, grid: Sequence[Settings], task: Task, budget: Budget) -> list[Trial]:
    """Every setting of the grid that the budget allows, learned from the training events alone.

    A grid of one setting is not tried: there is nothing to choose.
    """
    if len(grid) == 1:
        return [Trial(grid[0], float("nan"), 0.0)]
    begun = time.process_time()
    trials: list[Trial] = []
    for settings in grid[: budget.configurations]:
        started = time.perf_counter()
        if trials and time.process_time() - begun > budget.seconds:
            break
        peer = build(settings, task.seed)
        peer.fit(task.train, task)
        value = _validated(peer, task, budget)
        trials.append(Trial(settings, value, time.perf_counter() - started))
        print(f"  {value:.4f}  {trials[-1].seconds:6.1f} s  {dict(settings)}", flush=True)
    return trials


def _validated(peer: Peer, task: Task, budget: Budget) -> float:
    """NDCG@10 on the validation events; for ratings, minus the squared error."""
    validation = task.validation
    if task.kind == RATING:
        return -float(
            np.mean((peer.predict(validation.users, validation.items) - validation.values) ** 2)
        )
    users = np.unique(validation.users)
    if len(users) > budget.users:
        drawn = np.random.default_rng(task.seed).choice(users, budget.users, replace=False)
        users = np.sort(drawn)
    candidates = task.validation_candidates
    lists = best_items(peer.score, users, task.train, candidates, task.ties, CHOICE_K)
    return mean_ndcg(lists, users, task.train, validation, CHOICE_K)

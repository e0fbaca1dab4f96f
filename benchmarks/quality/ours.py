"""A model of ours on a split: tuned on validation, fitted, and asked for its lists."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from assets.datasets import SplitData
from benchmarks.peers.exchange import Answer
from benchmarks.quality.handover import K, tested_users
from benchmarks.quality.registry import Entry, Settings
from models.data import Dataset, Floats, Histories, Ints
from models.evaluation import (
    EvaluationConfig,
    RatingPredictor,
    evaluate,
    known_events,
    rank_all,
)
from models.protocol import Recommender, SelfValidated
from models.ranking import tie_breaks
from models.splits.names import RANDOM

CHOICE = ("ndcg", 10)


def answer(entry: Entry, data: SplitData, seed: int) -> Answer:
    """An answer like a peer's: lists or predictions, and how they were made."""
    started = time.perf_counter()
    tried: list[dict[str, Any]] = []
    fitted: dict[int, tuple[Recommender, float]] = {}
    learned_from = training_alone(data.dataset) if entry.refits else data.dataset
    for place, settings in enumerate(entry.grid):
        begun = time.perf_counter()
        fitted[place] = _fit(entry, learned_from, settings)
        model = fitted[place][0]
        if isinstance(model, SelfValidated) and not entry.refits:
            value = model.validated
        else:
            value = _validated(model, data, seed)
        seconds = time.perf_counter() - begun
        tried.append({"settings": dict(settings), "validation": value, "seconds": seconds})
    figures = np.array([trial["validation"] for trial in tried], dtype=float)
    best = int(np.argmax(np.where(np.isnan(figures), -np.inf, figures)))
    tuning_s = time.perf_counter() - started
    model, fit_s = fitted[best]
    if entry.refits:
        model, fit_s = _fit(entry, all_known(data.dataset), entry.grid[best])
    begun = time.perf_counter()
    lists, predictions = _asked(model, data, seed)
    facts = {
        **tried[best],
        "tried": tried,
        "tuning_s": tuning_s if len(tried) > 1 else 0.0,
        "fit_s": fit_s,
        "predict_s": time.perf_counter() - begun,
        "library": f"torch {torch.__version__}",
    }
    return Answer(lists, predictions, facts)


def _fit(entry: Entry, dataset: Dataset, settings: Settings) -> tuple[Recommender, float]:
    begun = time.perf_counter()
    model = entry.build(dataset, settings).fit(dataset)
    return model, time.perf_counter() - begun


def _validated(model: Recommender, data: SplitData, seed: int) -> float:
    """NDCG@10 on the validation events; for ratings, minus the squared error."""
    validation = data.dataset.validation
    if data.name == RANDOM:
        assert isinstance(model, RatingPredictor)
        errors = model.predict_ratings(validation.users, validation.items) - validation.values
        return -float(np.mean(errors**2))
    evaluation = evaluate(
        model,
        data.dataset,
        validation,
        split=data.name,
        run_id="validation",
        candidates=data.validation_candidates,
        known=data.dataset.train,
        config=EvaluationConfig(cutoffs=(CHOICE[1],), samples=1, seed=seed),
    )
    return float(evaluation.per_user[CHOICE].mean())


def _asked(model: Recommender, data: SplitData, seed: int) -> tuple[Ints, Floats]:
    if data.name == RANDOM:
        assert isinstance(model, RatingPredictor)
        predicted = model.predict_ratings(data.test.users, data.test.items)
        return np.zeros((0, K), dtype=np.int32), predicted
    histories = Histories.of(known_events(data.dataset), tested_users(data))
    ties = tie_breaks(data.dataset.item_ids.ids, seed)
    ranking = rank_all(model, histories, ties, K, candidates=data.candidates)
    return ranking.items, np.zeros(0, dtype=np.float32)


def all_known(dataset: Dataset) -> Dataset:
    """Training and validation events as training events."""
    known = known_events(dataset)
    context = np.zeros((len(known), dataset.context.shape[1]), dtype=np.float32)
    return replace(training_alone(dataset), train=known, context=context)


def training_alone(dataset: Dataset) -> Dataset:
    """The training events alone, so that none of the validation's can be learned from."""
    nothing = np.zeros(len(dataset.validation), dtype=bool)
    return replace(dataset, validation=dataset.validation.take(nothing))

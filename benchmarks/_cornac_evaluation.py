"""cornac's own evaluation of ready scores; it runs in the peers' environment.

    benchmarks/.venv/cornac/bin/python benchmarks/_cornac_evaluation.py TASK_NPZ

Prints one JSON: the seconds of every round and the figures.
"""

import json
import sys
import time
from collections import OrderedDict

import numpy as np
from cornac.data import Dataset
from cornac.eval_methods.base_method import ranking_eval
from cornac.metrics import NDCG, HitRatio, Recall
from cornac.models import Recommender

METRICS = {"ndcg": NDCG, "recall": Recall, "hit_rate": HitRatio}


class Ready(Recommender):
    """A model whose scores are all there."""

    def __init__(self, scores: np.ndarray) -> None:
        super().__init__(name="ready", trainable=False)
        self.scores = scores

    def score(self, user_idx: int, item_idx: int | None = None) -> np.ndarray:
        return self.scores[user_idx]


def main() -> None:
    with np.load(sys.argv[1]) as task:
        scores, rounds = task["scores"], int(task["rounds"])
        parts = {name: task[name] for name in ("known", "test")}
        cutoffs = task["cutoffs"].tolist()
    n_users, n_items = scores.shape
    users, items = (OrderedDict((n, n) for n in range(size)) for size in (n_users, n_items))
    known, test = (
        Dataset.build([(int(u), int(i), 1.0) for u, i in parts[name]], "UIR", users, items)
        for name in ("known", "test")
    )
    model = Ready(scores).fit(known)
    names = [(name, k) for name in METRICS for k in cutoffs]
    metrics = [METRICS[name](k=k) for name, k in names]
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        means, _ = ranking_eval(model, metrics, known, test, exclude_unknowns=False)
        seconds.append(time.perf_counter() - start)
    figures = {f"{name}@{k}": float(mean) for (name, k), mean in zip(names, means, strict=True)}
    print(json.dumps({"seconds": seconds, "figures": figures}))


if __name__ == "__main__":
    main()

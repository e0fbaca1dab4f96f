"""The evaluation of ready scores, compared with a plain loop over users and with cornac's.

    python -m benchmarks.evaluation_speed [--users 671] [--items 9000] [--rounds 3]

Everyone gets the same scores and must find the same figures, or the run fails. Two rows are ours:
`figures` measures what the peer measures, `everything` is `evaluate` as the pipeline calls it, with
all metrics, segments and intervals. cornac runs where `make bench-env` has installed it. The best
of the rounds counts.
"""

import argparse
import json
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import log2
from pathlib import Path
from typing import Any, cast

import numpy as np

from models.data import Dataset, Floats, Histories, Interactions, Ints, TokenTable, Vocabulary
from models.evaluation import Relevance, evaluate, known_events, per_user_metrics, rank_all
from models.protocol import Recommender
from models.ranking import tie_breaks
from models.splits import user_temporal

FOLDER = Path(__file__).parent
OUT = FOLDER / "out" / "evaluation_speed.json"
PEERS = FOLDER / ".venv" / "cornac" / "bin" / "python"
CUTOFFS = (5, 10, 20, 50)
Figures = dict[str, float]


class Ready:
    """A model whose scores are all there."""

    name = "ready"

    def __init__(self, scores: Floats) -> None:
        self.scores = scores

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """The rows of the users."""
        rows = self.scores[users.users]
        return rows if items is None else rows[:, items]


@dataclass(frozen=True)
class Workload:
    """A split with scores (n_users, n_items) that know what is popular, and no two alike."""

    dataset: Dataset
    test: Interactions
    categories: Floats
    scores: Floats

    @property
    def model(self) -> Recommender:
        """The scores as a model."""
        return cast(Recommender, Ready(self.scores))


def workload(n_users: int, n_items: int, n_events: int, seed: int) -> Workload:
    """Users and items drawn with a long tail, every pair once."""
    rng = np.random.default_rng(seed)
    popularity = rng.permutation(1 / np.arange(1, n_items + 1) ** 0.8)
    users = np.sort(np.r_[np.repeat(np.arange(n_users), 5), rng.integers(0, n_users, n_events)])
    items = rng.choice(n_items, len(users), p=popularity / popularity.sum())
    _, first = np.unique(users * n_items + items, return_index=True)
    users, items = users[np.sort(first)], items[np.sort(first)]
    events = Interactions(
        users.astype(np.int32),
        items.astype(np.int32),
        np.ones(len(users), np.float32),
        np.arange(len(users), dtype=np.int64) * 10**9,
    )
    split = user_temporal(events, n_users)
    text = rng.standard_normal((n_items, 384)).astype(np.float32)
    rows = np.arange(n_items, dtype=np.int32)
    dataset = Dataset(
        Vocabulary(tuple(f"u{n}" for n in range(n_users))),
        Vocabulary(tuple(f"i{n}" for n in range(n_items))),
        events.take(split.train),
        events.take(split.validation),
        {"text": TokenTable(n_items, rows, np.zeros(n_items, np.int64), text)},
        np.zeros((int(split.train.sum()), 0), np.float32),
    )
    scores = np.log(popularity) + rng.standard_normal((n_users, n_items))
    categories = np.eye(20, dtype=np.float32)[rng.integers(0, 20, n_items)]
    return Workload(dataset, events.take(split.test), categories, scores.astype(np.float32))


def everything(work: Workload) -> Figures:
    """All metrics at all cutoffs, all segments, intervals."""
    evaluation = evaluate(
        work.model,
        work.dataset,
        work.test,
        split="user-temporal",
        run_id="benchmark",
        categories=work.categories,
    )
    return {f"{row.metric}@{row.k}": row.value for row in evaluation.rows if row.segment == "all"}


def figures(work: Workload) -> Figures:
    """The ranking metrics at all cutoffs."""
    known, n_items = known_events(work.dataset), work.dataset.n_items
    histories = Histories.of(known, np.unique(work.test.users))
    relevance = Relevance.of(work.test, histories, n_items)
    ties = tie_breaks(work.dataset.item_ids.ids, 42)
    ranking = rank_all(work.model, histories, ties, max(CUTOFFS))
    values = per_user_metrics(relevance.hits(ranking.items), relevance.counts(), CUTOFFS)
    return {f"{name}@{k}": float(np.nanmean(column)) for (name, k), column in values.items()}


def plain_loop(work: Workload) -> Figures:
    """What notebooks do: one user after the other, sets and sorts, a formula a metric."""
    known, total = known_events(work.dataset), {}
    users = np.unique(work.test.users).tolist()
    for user in users:
        scores = work.scores[user].copy()
        scores[known.items[known.users == user]] = -np.inf
        ranked = np.argsort(-scores).tolist()
        relevant = set(work.test.items[work.test.users == user].tolist())
        for k in CUTOFFS:
            for name, value in _of_user(ranked[:k], relevant, k).items():
                total[f"{name}@{k}"] = total.get(f"{name}@{k}", 0.0) + value
    return {name: value / len(users) for name, value in total.items()}


def _of_user(ranked: list[int], relevant: set[int], k: int) -> Figures:
    hits = [place for place, item in enumerate(ranked) if item in relevant]
    ideal = sum(1 / log2(place + 2) for place in range(min(k, len(relevant))))
    return {
        "ndcg": sum(1 / log2(place + 2) for place in hits) / ideal,
        "recall": len(hits) / len(relevant),
        "map": sum((n + 1) / (place + 1) for n, place in enumerate(hits)) / len(relevant),
        "mrr": 1 / (hits[0] + 1) if hits else 0.0,
        "hit_rate": float(bool(hits)),
    }


def cornac(work: Workload, rounds: int) -> tuple[float, Figures]:
    """Seconds and figures of cornac's `ranking_eval`: NDCG, recall and hit ratio."""
    known = known_events(work.dataset)
    pairs = {"known": known, "test": work.test}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.npz"
        np.savez(
            path,
            scores=work.scores,
            cutoffs=np.array(CUTOFFS),
            rounds=np.array(rounds),
            **{name: np.stack([part.users, part.items], axis=1) for name, part in pairs.items()},
        )
        command = [str(PEERS), str(FOLDER / "_cornac_evaluation.py"), str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    result = json.loads(done.stdout.splitlines()[-1])
    return min(result["seconds"]), result["figures"]


def timed(run: Callable[[Workload], Figures], work: Workload, rounds: int) -> tuple[float, Figures]:
    """Seconds of the best round, and the figures."""
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = run(work)
        taken.append(time.perf_counter() - start)
    return min(taken), result


def compare(work: Workload, rounds: int) -> dict[str, Any]:
    """Seconds of each, and how many times as long as ours each takes for the same figures.

    Raises:
        AssertionError: two figures differ.
    """
    results = {run.__name__: timed(run, work, rounds) for run in (figures, everything, plain_loop)}
    if PEERS.is_file():
        results["cornac"] = cornac(work, rounds)
    ours = results["figures"]
    rows = {}
    for name, (seconds, measured) in results.items():
        shared = sorted(ours[1].keys() & measured.keys())
        np.testing.assert_allclose([measured[f] for f in shared], [ours[1][f] for f in shared])
        rows[name] = {
            "seconds": round(seconds, 4),
            "figures": len(measured),
            "same_as_ours": len(shared),
            "times_figures": round(seconds / ours[0], 1),
            "times_everything": round(seconds / results["everything"][0], 1),
        }
    return rows


def main() -> None:
    """Runs the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--users", type=int, default=671)
    parser.add_argument("--items", type=int, default=9000)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    work = workload(chosen.users, chosen.items, chosen.events, chosen.seed)
    rows = compare(work, chosen.rounds)
    for name, row in rows.items():
        print(f"{name:<12} {row['seconds']:8.3f} s   {row['times_figures']:6.1f} × figures")
    size = {"users": chosen.users, "items": chosen.items, "seed": chosen.seed}
    result = {"machine": platform.processor(), **size, "rows": rows}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(f"Written to {chosen.out}.")


if __name__ == "__main__":
    main()

"""CPU time of a ranker's scores and reasons: compiled trees, and LightGBM's own predictor.

    python -m benchmarks.tree_speed [--trees 300] [--leaves 15] [--rows 20 400 1000] [--rounds 5]

A LambdaRank model is fitted to drawn features, a part of them missing. Both must give the same
scores and the same contributions, or the run fails. One thread; the best of the rounds counts.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np

from models.data import Floats
from models.trees import CompiledTrees, LightGBMTrees

OUT = Path(__file__).parent / "out" / "tree_speed.json"
EXPLAINED = 20
GROUPS, GROUP = 100, 100


def drawn(rows: int, n_features: int, seed: int) -> Floats:
    """A third each of counts, sparse and dense columns; every third column has NaN."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((rows, n_features)).astype(np.float32)
    third = n_features // 3
    features[:, :third] = np.round(np.abs(features[:, :third]) * 4)
    features[:, third : 2 * third] *= rng.random((rows, third)) < 0.4
    features[:, ::3][rng.random(features[:, ::3].shape) < 0.3] = np.nan
    return features


def ranker(n_features: int, trees: int, leaves: int, seed: int) -> lgb.Booster:
    """LambdaRank over 100 groups of 100 rows, three of each wanted."""
    features = drawn(GROUPS * GROUP, n_features, seed)
    rng = np.random.default_rng(seed)
    score = np.nan_to_num(features) @ rng.standard_normal(n_features) * 0.2
    places = (-score + rng.gumbel(size=len(score))).reshape(-1, GROUP).argsort(axis=1)
    settings = {
        "objective": "lambdarank",
        "num_leaves": leaves,
        "learning_rate": 0.05,
        "feature_fraction": 0.5,
        "num_threads": 1,
        "seed": seed,
        "verbosity": -1,
    }
    wanted = (places.argsort(axis=1) < 3).astype(np.float32).ravel()
    return lgb.train(
        settings, lgb.Dataset(features, label=wanted, group=np.full(GROUPS, GROUP)), trees
    )


def milliseconds(ask: Callable[[], object], rounds: int, calls: int = 20) -> float:
    """CPU time of a call."""
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(calls):
            ask()
        taken.append(time.process_time() - start)
    return round(min(taken) / calls * 1000, 3)


def compare(booster: lgb.Booster, rows: Sequence[int], rounds: int) -> dict[str, Any]:
    """CPU milliseconds of each engine, by question.

    Raises:
        AssertionError: the two differ.
    """
    start = time.process_time()
    compiled = CompiledTrees([booster])
    ready = time.process_time() - start
    reference = LightGBMTrees([booster])
    features = drawn(max(*rows, EXPLAINED), booster.num_feature(), 1)
    np.testing.assert_array_equal(compiled.score(features), reference.score(features))
    few = features[:EXPLAINED]
    np.testing.assert_allclose(
        compiled.contributions(few)[0], reference.contributions(few)[0], rtol=1e-4, atol=1e-9
    )
    figures: dict[str, Any] = {"seconds_until_compiled_trees_answer": round(ready, 2)}
    for name, trees in {"compiled": compiled, "lightgbm": reference}.items():
        times = {
            f"score_{count}": milliseconds(lambda n=count, t=trees: t.score(features[:n]), rounds)  # type: ignore[misc]
            for count in rows
        }
        times[f"contributions_{EXPLAINED}"] = milliseconds(
            lambda t=trees: t.contributions(few),  # type: ignore[misc]
            rounds,
            5,
        )
        figures[name] = times
    return figures


def main() -> None:
    """Measures, prints and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--features", type=int, default=90)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--leaves", type=int, default=15)
    parser.add_argument("--rows", type=int, nargs="+", default=[20, 400, 1000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    booster = ranker(arguments.features, arguments.trees, arguments.leaves, arguments.seed)
    settings = vars(arguments) | {"out": str(arguments.out)}
    result = {
        "settings": settings,
        "machine": platform.processor(),
        "cpu_milliseconds": compare(booster, arguments.rows, arguments.rounds),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

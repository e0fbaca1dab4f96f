"""What each modality is worth on items nobody has touched.

An MMNN (tokens concatenated, or fused by cross-attention) and a cold-start map are fitted with all
modalities, none, each alone, each left out, each shuffled among the items that have it, and
with controls that know only whether a modality is there and what it looks like from outside. Every
fit sees the same events; a variant is a `Dataset` with other tokens. Reviews are left out: an item
that nobody has touched has none.

    python -m benchmarks.modalities --source sample --out benchmarks/out/modalities.json

No fit begins after `--minutes`. What was found is kept, and the same command goes on from there.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl

from benchmarks._tokens import Material, Reader
from benchmarks.quality.results import code_digest, key_of
from crossmodal.atomic import atomic_path
from models.assembly import dataset
from models.baselines import ColdStartMap, ColdStartMapConfig
from models.data import Dataset, Floats, Histories, Ints, TokenTable
from models.evaluation import (
    EvaluationConfig,
    bootstrap_interval,
    evaluate,
    paired_difference,
    permuted,
)
from models.mmnn import MMNN, MMNNConfig
from models.protocol import Recommender
from models.splits import Split, cold_item
from sources.catalogue import SourceRequest
from sources.factory import open_source
from sources.sample.config import SampleConfig

CONTENT = ("text", "image", "audio", "attributes")
MODELS = ("mmnn", "mmnn_cross_attention", "cold_start_map")
METRIC = ("ndcg", 10)
_DRIFT_RADIANS_HALFWAY = 0.3
_CODE = ("models", "benchmarks/_tokens.py", "benchmarks/modalities.py")

PerUser = dict[str, np.ndarray]


class Truth:
    """Ranks by the sample's hidden utility, with every user's taste halfway through their time."""

    name = "truth"

    def __init__(self, folder: Path, material: Material) -> None:
        items = pl.read_parquet(folder / "items.parquet").sort("item_id")
        users = pl.read_parquet(folder / "users.parquet").sort("user_id")
        known = users["user_id"].is_in(list(material.log.user_ids.ids))
        users = users.filter(known)
        early, turn = (np.array(users[name].to_list()) for name in ("early", "turn"))
        taste = np.cos(_DRIFT_RADIANS_HALFWAY) * early + np.sin(_DRIFT_RADIANS_HALFWAY) * turn
        utility = taste @ np.array(items["taste"].to_list()).T + items["popularity"].to_numpy()
        self._utility = utility.astype(np.float32)

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """The utility of the items."""
        rows: Floats = self._utility[users.users]
        return rows if items is None else rows[:, items]


@dataclass(frozen=True)
class Budget:
    """How long may be fitted, and where what was found is kept.

    Attributes:
        ends: `time.monotonic()` after which no fit begins.
        folder: of the kept figures.
        inputs: what they depend on in addition to the variant's tokens.
    """

    ends: float
    folder: Path
    inputs: tuple[Any, ...]


def variants(
    tokens: Mapping[str, TokenTable], controls: Mapping[str, TokenTable], seed: int
) -> dict[str, dict[str, TokenTable]]:
    """The token tables of every variant by its name."""
    there = {name: tokens[name] for name in CONTENT if len(tokens[name].items)}
    alone = {name: {name: table} for name, table in there.items()}
    without = {
        f"all but {name}": {key: table for key, table in there.items() if key != name}
        for name in alone
    }
    form = {f"{name}: presence and format": {name: controls[name]} for name in alone}
    pairs = {
        f"text and {name}": {"text": there["text"], name: there[name]}
        for name in alone
        if name != "text"
    }
    dealt = {
        f"{name} shuffled": {**there, name: permuted(table, seed)} for name, table in there.items()
    }
    return {"nothing": {}, "all": there, **alone, **without, **form, **pairs, **dealt}


def comparisons(names: list[str]) -> list[tuple[str, str]]:
    """Which variants are held against each other: (a, b) asks for a - b."""
    wanted = [
        *(("all", f"all but {name}") for name in CONTENT),
        *((name, f"{name}: presence and format") for name in CONTENT),
        *((f"text and {name}", "text") for name in CONTENT if name != "text"),
        *(("all", f"{name} shuffled") for name in CONTENT),
    ]
    return [pair for pair in wanted if set(pair) <= set(names)]


def per_user(
    model: Recommender, data: Dataset, split: Split, material: Material, seed: int
) -> np.ndarray:
    """NDCG@10 of each user who has something to find among the held-out items."""
    evaluation = evaluate(
        model,
        data,
        material.log.events.take(split.test),
        split=split.name,
        run_id="benchmark",
        candidates=split.test_candidates,
        config=EvaluationConfig(cutoffs=(METRIC[1],), samples=100, seed=seed),
    )
    return evaluation.per_user[METRIC]


def measure(
    material: Material,
    build: Callable[[], Recommender],
    seed: int,
    truth: Path | None,
    budget: Budget,
) -> dict[str, Any]:
    """Fits a model to every variant and compares them; the result is JSON-able."""
    log = material.log
    split = cold_item(log.events, len(log.item_ids), seed=seed)
    data = dataset(log, split.train, split.validation, {})
    scores: PerUser = {}
    rows, left = [], []
    known = [_digest(array) for array in _arrays(data, split)]
    for name, chosen in variants(material.tokens, material.controls, seed).items():
        find = partial(_fit_and_judge, build, data.with_tokens(chosen), split, material, seed)
        result = _kept(budget, [*known, *_told(chosen)], find)
        if result is None:
            left.append(name)
            continue
        scores[name], seconds = result
        rows.append({"variant": name, **_interval(scores[name]), "fit_seconds": round(seconds, 1)})
        print(_line(rows[-1]), flush=True)
    if left:
        print(f"Out of time before: {', '.join(left)}. The same command goes on from here.")
    if truth is not None:
        scores["truth"] = per_user(
            cast(Recommender, Truth(truth, material)), data, split, material, seed
        )
        rows.append({"variant": "truth", **_interval(scores["truth"])})
        print(_line(rows[-1]), flush=True)
    differences = [
        {"a": a, "b": b, **vars(paired_difference(scores[a], scores[b]))}
        for a, b in comparisons(list(scores))
    ]
    return {"variants": rows, "differences": differences, "left": left}


def _fit_and_judge(
    build: Callable[[], Recommender], data: Dataset, split: Split, material: Material, seed: int
) -> tuple[np.ndarray, float]:
    """NDCG@10 a user, and the seconds of the fit."""
    started = time.perf_counter()
    model = build().fit(data)
    seconds = time.perf_counter() - started
    return per_user(model, data, split, material, seed), seconds


def _arrays(data: Dataset, split: Split) -> list[np.ndarray]:
    """What every variant's figure depends on."""
    events = (data.train, data.validation)
    masks = (split.train, split.validation, split.test, split.test_candidates)
    arrays = [vars(part)[name] for part in events for name in ("users", "items", "timestamps")]
    return [*arrays, *(mask for mask in masks if mask is not None)]


def _told(tokens: Mapping[str, TokenTable]) -> list[str]:
    return [
        part
        for name, table in sorted(tokens.items())
        for part in (name, _digest(table.items), _digest(table.features))
    ]


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _kept(
    budget: Budget, inputs: list[str], find: Callable[[], tuple[np.ndarray, float]]
) -> tuple[np.ndarray, float] | None:
    """A figure per user and the seconds of the fit: stored, or measured while there is time."""
    path = budget.folder / f"{key_of(budget.inputs, inputs)}.npz"
    if not path.is_file():
        if time.monotonic() > budget.ends:
            return None
        values, seconds = find()
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, values=values, seconds=seconds)
    with np.load(path) as stored:
        return stored["values"], float(stored["seconds"])


def _interval(values: np.ndarray) -> dict[str, float]:
    interval = bootstrap_interval(values[~np.isnan(values)])
    return {
        "ndcg@10": float(interval.value[0]),
        "low": float(interval.low[0]),
        "high": float(interval.high[0]),
    }


def _line(row: dict[str, Any]) -> str:
    fitted = f"  fitted in {row['fit_seconds']} s" if "fit_seconds" in row else ""
    figures = f"{row['ndcg@10']:.4f}  [{row['low']:.4f}, {row['high']:.4f}]"
    return f"{row['variant']:<28} {figures}{fitted}"


def _difference_line(row: dict[str, Any]) -> str:
    figures = f"{row['mean']:+.4f}  [{row['low']:+.4f}, {row['high']:+.4f}]"
    return f"{row['a']} - {row['b']}: {figures}"


def _builder(name: str, chosen: argparse.Namespace) -> Callable[[], Recommender]:
    settings = {"seed": chosen.seed, **json.loads(chosen.settings)}
    if name == "mmnn":
        return partial(MMNN, MMNNConfig(**settings))
    if name == "mmnn_cross_attention":
        return partial(MMNN, MMNNConfig(**{**settings, "operator": "cross_attention"}))
    return partial(ColdStartMap, ColdStartMapConfig(seed=chosen.seed))


def main() -> None:
    """Runs the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--source", choices=("sample", "movielens"), default="sample")
    parser.add_argument("--path", type=Path, help="folder or zip of the source")
    parser.add_argument("--home", type=Path, default=Path("benchmarks/out/home"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/modalities.json"))
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--settings", default="{}", help="MMNN settings as JSON")
    parser.add_argument("--minutes", type=float, default=60, help="no fit begins after so many")
    chosen = parser.parse_args()
    home_sources = chosen.home / "sources"
    request = SourceRequest(home_sources, chosen.path, sample=SampleConfig(seed=chosen.seed))
    source = open_source(chosen.source, request)
    material = Reader(source, chosen.home / "weights", chosen.home / "features").read()
    truth = source.root / "truth" if chosen.source == "sample" else None
    ends = time.monotonic() + 60 * chosen.minutes
    results: dict[str, Any] = {"source": chosen.source, "seed": chosen.seed}
    for name in chosen.models:
        print(f"{name}, cold items, NDCG@10 with 95 % intervals over users")
        inputs = (code_digest(_CODE), name, chosen.settings, chosen.seed)
        budget = Budget(ends, chosen.home.parent / "modalities", inputs)
        results[name] = measure(material, _builder(name, chosen), chosen.seed, truth, budget)
        if results[name]["differences"]:
            print("Paired differences")
        for row in results[name]["differences"]:
            print(_difference_line(row))
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    print(f"Written to {chosen.out}.")


if __name__ == "__main__":
    main()

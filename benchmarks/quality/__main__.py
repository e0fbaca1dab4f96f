"""Our models and other people's libraries in one run on the same splits.

    python -m benchmarks.quality MOVIELENS_FOLDER [--only NAME,NAME] [--skip-peers]

Writes one JSON with a row a figure. Answers are kept, so that a run that was stopped goes on where
it was, and a model whose code, settings and data are as they were is not fitted again.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from assets.datasets import SplitData
from benchmarks import _runs
from benchmarks._tokens import Material
from benchmarks.peers.catalogue import PeerEntry, entries
from benchmarks.quality.material import SPLITS, split_data
from benchmarks.quality.page import PageError, marked_page, write_page
from benchmarks.quality.pooling import pooled
from benchmarks.quality.registry import Settings
from benchmarks.quality.results import commit
from benchmarks.quality.running import PEER, Run, answers
from benchmarks.quality.tables import (
    Row,
    SplitFigures,
    figures_of,
    line,
    machine,
    measured_of,
    pooled_line,
)
from benchmarks.quality.theirs import PeersMissingError, require_environments
from crossmodal.atomic import atomic_write_bytes
from models.evaluation import EvaluationConfig
from models.splits.names import COLD_ITEM, RANDOM, USER_TEMPORAL
from sources.catalogue import SourceRequest
from sources.factory import open_source
from sources.protocol import SourceError

OUT = Path(__file__).parents[1] / "out"


def main() -> int:
    """Runs the benchmark from the command line; 1 where a peer failed."""
    chosen = _parsed()
    started = time.perf_counter()
    try:
        if chosen.page is not None:
            marked_page(chosen.page)
        run = _run(chosen)
        open_source(chosen.source, SourceRequest(chosen.home / "sources", chosen.data)).fetch()
    except (PageError, SourceError) as error:
        sys.exit(str(error))
    split_figures = _on_seed(run, chosen, chosen.splits)
    for split, seeds in ((USER_TEMPORAL, chosen.tie_seeds), (COLD_ITEM, chosen.draws)):
        again = replace(run, settings=_tuned(split_figures, split))
        there = {part.seed for part in split_figures if part.split == split}
        for seed in dict.fromkeys(seed for seed in seeds if seed not in there):
            split_figures += _on_seed(replace(again, seed=seed), chosen, (split,))
    _write(chosen, split_figures, time.perf_counter() - started)
    failed = [row["model"] for part in split_figures for row in part.skipped if row["failed"]]
    if failed:
        print(f"Failed: {', '.join(failed)}. The reasons are in {chosen.out}.", file=sys.stderr)
    return 1 if failed else 0


def _tuned(split_figures: list[SplitFigures], split: str) -> dict[str, Settings]:
    """The settings of each peer that was tuned on the split."""
    models = [row for part in split_figures for row in part.models if row["split"] == split]
    return {row["model"]: row["settings"] for row in models if row["kind"] == PEER}


def _on_seed(run: Run, chosen: argparse.Namespace, splits: tuple[str, ...]) -> list[SplitFigures]:
    """All models on the splits, with the order of ties from the run's seed."""
    source, material = _runs.read(chosen, run.seed)
    config = EvaluationConfig(samples=chosen.samples, seed=run.seed)
    split_figures = []
    for name in splits:
        print(f"{name}, seed {run.seed}: {'squared error' if name == RANDOM else 'NDCG@10'}")
        split_figures.append(
            _on_split(run, split_data(material, source, name, run.seed), material, config)
        )
    return split_figures


def _on_split(
    run: Run, data: SplitData, material: Material, config: EvaluationConfig
) -> SplitFigures:
    measurements = []
    for reply in answers(run, data, material):
        measured = measured_of(reply, data, config)
        measurements.append((reply, measured))
        print(line(reply, measured), flush=True)
    return figures_of(data, measurements, config)


def _write(chosen: argparse.Namespace, split_figures: list[SplitFigures], seconds: float) -> None:
    result = {
        "data": chosen.data.name,
        "seed": chosen.seed,
        "commit": commit(),
        "seconds": seconds,
        **machine(),
        **{
            name: [row for part in split_figures for row in getattr(part, name)] for name in _TABLES
        },
        **_pooled(chosen, split_figures),
    }
    result = _finite(result)
    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(chosen.out, text.encode())
    print(f"Written to {chosen.out} after {seconds:.0f} s.")
    if chosen.page is not None:
        write_page(chosen.page, result, _command(chosen), date.today().isoformat())
        print(f"The tables of {chosen.page} are new.")


def _pooled(chosen: argparse.Namespace, split_figures: list[SplitFigures]) -> dict[str, list[Row]]:
    """The tables of all draws of cold items together; empty if there is only one."""
    draws = [part for part in split_figures if part.split == COLD_ITEM]
    config = EvaluationConfig(samples=chosen.samples, seed=chosen.seed)
    rows, comparisons = pooled(draws, config) if len(draws) > 1 else ([], [])
    if rows:
        print(f"{COLD_ITEM}, {len(draws)} draws pooled: NDCG@10")
    for row in rows:
        print(pooled_line(row))
    return {"pooled": rows, "pooled_comparisons": comparisons}


def _command(chosen: argparse.Namespace) -> str:
    """The command that makes the same tables, without the paths of this machine."""
    changed = {name: value for name, value in _DEFAULTS.items() if getattr(chosen, name) != value}
    options = {
        **{name: str(getattr(chosen, name)) for name in changed},
        "only": ",".join(sorted(chosen.only)),
        "splits": ",".join(chosen.splits if chosen.splits != SPLITS else ()),
        "tie-seeds": ",".join(map(str, chosen.tie_seeds)),
        "draws": ",".join(map(str, chosen.draws)),
        "page": f"{chosen.page.parent.name}/{chosen.page.name}",
    }
    flags = ["--skip-peers"] if chosen.skip_peers else []
    flags += [f"--{name} {value}" for name, value in options.items() if value]
    return f'make bench-quality DATA={chosen.data.name} ARGS="{" ".join(flags)}"'


_DEFAULTS: Mapping[str, Any] = {
    "source": "movielens",
    "configurations": None,
    "seconds": None,
    "samples": 10_000,
    "seed": 42,
}
"""Options whose other values the page has to name."""

_TABLES = ("rows", "comparisons", "models", "skipped")


def _finite(value: Any) -> Any:
    """JSON has no NaN: it becomes null."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _run(chosen: argparse.Namespace) -> Run:
    peers = () if chosen.skip_peers else _peers(chosen)
    run = Run(chosen.home.parent / "quality", chosen.seed, chosen.only, peers)
    _require_known("model", chosen.only, run.names())
    _require_known("split", frozenset(chosen.splits), set(SPLITS))
    try:
        require_environments(entry for entry in peers if run.takes(entry.name))
    except PeersMissingError as error:
        sys.exit(str(error))
    return run


def _require_known(what: str, names: frozenset[str], there: set[str]) -> None:
    unknown = names - there
    if unknown:
        sys.exit(
            f"No {what} is named {', '.join(sorted(unknown))}; there are "
            f"{', '.join(sorted(there))}."
        )


def _peers(chosen: argparse.Namespace) -> tuple[PeerEntry, ...]:
    """All peers, with the table's budgets or those of the command line."""
    limits = {"configurations": chosen.configurations, "seconds": chosen.seconds}
    overrides = {key: value for key, value in limits.items() if value is not None}
    return tuple(
        replace(entry, budget=replace(entry.budget, **overrides)) for entry in entries().values()
    )


def _seeds(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "data",
        type=Path,
        help="folder or zip of a MovieLens set, YAML of a `tables` source, or `sample`",
    )
    parser.add_argument(
        "--source", default=_DEFAULTS["source"], choices=("movielens", "sample", "tables")
    )
    parser.add_argument(
        "--only",
        type=lambda text: frozenset(text.split(",")),
        default=frozenset(),
        help="names of models, with commas; all by default",
    )
    parser.add_argument("--skip-peers", action="store_true", help="only our models")
    parser.add_argument(
        "--splits", type=lambda text: tuple(text.split(",")), default=SPLITS, help="with commas"
    )
    parser.add_argument(
        "--configurations", type=int, help="most settings that a peer is tuned over"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        help="of the processor's time, after which no more settings of a peer are tried",
    )
    # Holm's p has a floor: the number of models over half the resamples.
    parser.add_argument(
        "--samples", type=int, default=_DEFAULTS["samples"], help="bootstrap resamples"
    )
    parser.add_argument(
        "--seed", type=int, default=_DEFAULTS["seed"], help="of splits, ties and models"
    )
    parser.add_argument(
        "--tie-seeds",
        type=_seeds,
        default=(),
        help="user-temporal again with ties, splits and models drawn by these seeds, with commas; "
        "peers that were tuned on the first seed keep its settings",
    )
    parser.add_argument(
        "--draws",
        type=_seeds,
        default=(),
        help="cold-item again with items, ties and models drawn by these seeds, with commas, and "
        "all draws pooled; peers that were tuned on the first seed keep its settings",
    )
    parser.add_argument("--home", type=Path, default=OUT / "home", help="weights and features")
    parser.add_argument("--out", type=Path, default=OUT / "quality.json")
    parser.add_argument(
        "--page", type=Path, help="a page in Markdown whose marked tables are replaced"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

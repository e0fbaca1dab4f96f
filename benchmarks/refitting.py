"""What it is worth to fit a champion again to everything before it answers.

Each family is fitted to the training events of `user-temporal`, with the validation events to stop
by, and then refitted to both (`models.protocol.Refittable`): the length of training stays, nothing
is held back. The hybrid, which learns from all that it is given, is first given the training events
alone. Both are asked about the same users with the same history, and judged by the test. What a
refit to all events is worth cannot be measured; this is the same step, one tenth earlier.

    python -m benchmarks.refitting MOVIELENS_FOLDER [--models mmnn,ease] [--seeds 42,43]

With several seeds a user's figure is the mean over them, of the model's seed and of the ties.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from assets.datasets import SplitData
from benchmarks import _runs
from benchmarks.quality.measuring import HEADLINE
from benchmarks.quality.ours import all_known, training_alone
from benchmarks.quality.registry import Entry, registry
from models.evaluation import (
    PairedDifference,
    PairedRatio,
    paired_difference,
    paired_ratio,
    user_measure,
)
from models.protocol import Refittable, SelfValidated
from models.splits.names import RANDOM, USER_TEMPORAL

_FITTED_FOR_RATINGS = RANDOM
_SAMPLES = 10_000


@dataclass(frozen=True)
class Worth:
    """A family fitted to the training events, and refitted to those and the validation's.

    Attributes:
        model: name of the family.
        fitted: mean NDCG@10 on the test of the first.
        refitted: of the second.
        difference: the second less the first, over users.
        ratio: the second over the first.
        seconds: of both fits, over all seeds.
    """

    model: str
    fitted: float
    refitted: float
    difference: PairedDifference
    ratio: PairedRatio
    seconds: float


def per_user(entry: Entry, data: SplitData, seed: int) -> np.ndarray:
    """NDCG@10 (2, n_users) of the fitted and the refitted model.

    Raises:
        TypeError: the family cannot be refitted.
    """
    measure = user_measure(data.dataset, data.test, candidates=data.candidates, seed=seed)
    model = entry.build(data.dataset, {})
    # Who validates himself has learned of all that is known already.
    alone = isinstance(model, SelfValidated)
    model = model.fit(training_alone(data.dataset) if alone else data.dataset)
    if not isinstance(model, Refittable):
        raise TypeError(f"{entry.name} cannot be refitted.")
    return np.stack([measure(model), measure(model.refitted(all_known(data.dataset)))])


def worth(name: str, per_seed: Sequence[np.ndarray], seconds: float) -> Worth:
    """The comparison of the means over seeds.

    Args:
        name: of the family.
        per_seed: results of `per_user`, one per seed.
        seconds: of the fits.
    """
    fitted, refitted = np.mean(per_seed, axis=0)
    return Worth(
        name,
        float(fitted.mean()),
        float(refitted.mean()),
        paired_difference(refitted, fitted, _SAMPLES),
        paired_ratio(refitted, fitted, _SAMPLES),
        seconds,
    )


def line(row: Worth) -> str:
    """A row of the table."""
    difference, ratio = row.difference, row.ratio
    return (
        f"| {row.model} | {row.fitted:.4f} | {row.refitted:.4f} "
        f"| {difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}] "
        f"| {ratio.ratio:.3f} [{ratio.low:.3f}, {ratio.high:.3f}] | {row.seconds:.0f} |"
    )


def main() -> None:
    """Runs the benchmark from the command line."""
    chosen = _parsed()
    splits = {seed: _runs.next_choices(chosen, seed) for seed in chosen.seeds}
    entries = {seed: _entries(seed) for seed in chosen.seeds}
    names = chosen.models or list(entries[chosen.seeds[0]])
    if unknown := [name for name in names if name not in entries[chosen.seeds[0]]]:
        raise SystemExit(
            f"There is no {', '.join(unknown)}; there are {', '.join(entries[chosen.seeds[0]])}."
        )
    rows: list[Worth] = []
    print("| model | fitted | refitted | difference | ratio | s |\n|---|---|---|---|---|---|")
    for name in names:
        began = time.perf_counter()
        modality = entries[chosen.seeds[0]][name].modality
        if modality is not None and modality not in splits[chosen.seeds[0]].dataset.tokens:
            continue
        per_seed = [per_user(entries[seed][name], data, seed) for seed, data in splits.items()]
        rows.append(worth(name, per_seed, time.perf_counter() - began))
        print(line(rows[-1]), flush=True)
    facts = {"data": chosen.data.name, "seeds": chosen.seeds, "metric": list(HEADLINE)}
    _runs.write(chosen.out, {**facts, "rows": [asdict(row) for row in rows]})


def _entries(seed: int) -> dict[str, Entry]:
    """Every family that is judged by its ranking of known users' next choices, by its name."""
    return {
        entry.name: entry
        for entry in registry(seed)
        if USER_TEMPORAL in entry.splits and _FITTED_FOR_RATINGS not in entry.splits
    }


def _parsed() -> argparse.Namespace:
    parser = _runs.parser(__doc__, "refitting.json")
    parser.add_argument("--models", type=_names, default=[], help="names, with commas between")
    parser.add_argument("--seeds", type=_runs.numbers, default=[42], help="with commas between")
    return parser.parse_args()


def _names(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()]


if __name__ == "__main__":
    main()

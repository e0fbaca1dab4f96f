"""What a night saves by going on from the last fit, and what that costs in NDCG@10.

Each user's events are cut into 25 parts in their order. What comes before the last parts is known
before the first night; each night brings every user's next part, and the part after it judges. So
all users judge every night: in a calendar week of a small set only a handful of users come back.

A network is fitted once with validation, which finds how long it trains. Each night it is fitted
from scratch for as long (`refitted`), and warm-started from the night before (`warm_started`). The
hybrid is fitted whole from scratch (`fit`); its trees are kept and all that they read is counted
again (`refitted`, which is what a night does); or its trees also go on learning from the newest
slice, by a quarter more trees (LightGBM's `init_model`).

    python -m benchmarks.warm_start MOVIELENS_FOLDER [--models hmdf,mmnn] [--nights 3]
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import lightgbm as lgb
import numpy as np

from benchmarks import _runs
from benchmarks._tokens import Material
from benchmarks.quality.registry import HYBRID
from models.assembly import dataset
from models.catalogue import entry_of
from models.data import Dataset, Ints
from models.evaluation import PairedDifference, paired_differences, tested, user_measure
from models.hmdf import HMDF, OF_TIME
from models.hmdf.labelling import labelled
from models.hmdf.trees import TreeData
from models.protocol import Recommender, Trainable, WarmStartable

_PARTS = 25
_SAMPLES = 10_000
_SCRATCH = "from scratch"
Fits = Mapping[str, Callable[[Dataset], Recommender]]
"""Ways to learn what is known after a night, by name; `_SCRATCH` is among them."""


@dataclass(frozen=True)
class Fitted:
    """One fit of one night.

    Attributes:
        night: from 1.
        fit: its name.
        cpu_s: processor time of the process.
        wall_s: time by the clock.
        ndcg: mean NDCG@10 over the users who are judged that night.
    """

    night: int
    fit: str
    cpu_s: float
    wall_s: float
    ndcg: float


@dataclass(frozen=True)
class Compared:
    """One way to fit a model, over all nights.

    Attributes:
        model: its name in the catalogue.
        fit: the way.
        cpu_s: processor time of the process per night.
        wall_s: time by the clock per night.
        saved: share of the processor time of a fit from scratch that it saves.
        ndcg: mean NDCG@10 over nights and users.
        less_scratch: the same less that of the fit from scratch, over users with all their nights.
    """

    model: str
    fit: str
    cpu_s: float
    wall_s: float
    saved: float
    ndcg: float
    less_scratch: PairedDifference


def parts_of(users: Ints) -> Ints:
    """The part (n,), from 0, that each event lies in among its user's events, sorted by user."""
    counts = np.bincount(users)
    begins = np.cumsum(counts) - counts
    places = np.arange(len(users)) - begins[users]
    return (places * _PARTS // counts[users]).astype(np.int32)


class Nights:
    """The nights of one data set.

    Args:
        material: of it.
        count: of nights.
        seed: orders equal scores.
    """

    def __init__(self, material: Material, count: int, seed: int) -> None:
        self._material, self.count, self._seed = material, count, seed
        self._part = parts_of(material.log.events.users)
        self._first = _PARTS - count - 1

    def first(self) -> Dataset:
        """What is known before the first night; the newest part of it validates."""
        part, validates = self._part, self._first - 1
        return self._dataset(part < validates, part == validates)

    def before(self) -> Dataset:
        """The same, all of it to learn from."""
        return self.known(0)

    def known(self, night: int) -> Dataset:
        """All events up to a night, to learn from."""
        known = self._part < self._first + night
        return self._dataset(known, np.zeros_like(known))

    def judge(self, night: int, models: Mapping[str, Recommender]) -> tuple[Ints, np.ndarray]:
        """The users (n,) who are judged after a night, and the NDCG@10 (n, m) of models."""
        known = self.known(night)
        next_part = self._material.log.events.take(self._part == self._first + night)
        histories, _ = tested(known.train, next_part, known.n_items)
        measure = user_measure(known, next_part, known=known.train, seed=self._seed)
        values = [measure(model) for model in models.values()]
        return histories.users, np.stack(values, axis=1)

    def _dataset(self, train: np.ndarray, validation: np.ndarray) -> Dataset:
        # Reviews are left out: those of a night would be those of the events that judge the night.
        return dataset(self._material.log, train, validation, self._material.tokens)


def fits_of_network(judged: Trainable, before: Dataset) -> Fits:
    """From scratch and from the night before.

    Raises:
        TypeError: the network cannot be warm-started.
    """
    if not isinstance(judged, WarmStartable):
        raise TypeError(f"{judged.name} cannot be warm-started.")
    chain = [judged.refitted(before)]

    def warm(known: Dataset) -> Recommender:
        chain.append(chain[-1].warm_started(before.item_ids, known))
        return chain[-1]

    return {_SCRATCH: judged.refitted, "warm": warm}


def fits_of_hybrid(judged: HMDF) -> Fits:
    """From scratch, with the trees of the judged fit, and with these trees and further ones."""
    chain = [judged]

    def going_on(known: Dataset) -> Recommender:
        chain.append(with_further_trees(chain[-1], known).refitted(known))
        return chain[-1]

    return {
        _SCRATCH: HMDF(judged.config).fit,
        "trees kept": judged.refitted,
        "trees continued": going_on,
    }


def with_further_trees(hybrid: HMDF, known: Dataset) -> HMDF:
    """A hybrid whose trees went on learning from the newest ninth of each user's events."""
    config = hybrid.config
    newest = OF_TIME.cut(known, known.train, config.slices, config.seed)[-1]
    context = np.zeros((len(newest.past), 0), dtype=np.float32)
    past = hybrid.refitted(replace(known, train=newest.past, context=context))
    part = labelled(past._fitted_ranker(), known.n_items, newest, config.most_users, config.seed)
    names, bags = hybrid.feature_names, []
    for bag in hybrid.bags:
        # LightGBM lets go of the rows of a table once it has trained on it.
        data = TreeData.of([part], names, config)
        parameters = {**bag.params, "num_iterations": max(1, bag.num_trees() // 4)}
        bags.append(lgb.train(parameters, data.table, init_model=bag))
    return hybrid._with(replace(hybrid._fitted_ranker(), bags=tuple(bags)))


def fitted(nights: Nights, fits: Fits) -> Iterator[tuple[list[Fitted], Ints, np.ndarray]]:
    """Per night what each fit took, the users who judge, and the NDCG@10 (n, m) of the fits."""
    for night in range(1, nights.count + 1):
        known, models, seconds = nights.known(night), {}, {}
        for name, fit in fits.items():
            cpu, wall = time.process_time(), time.perf_counter()
            models[name] = fit(known)
            seconds[name] = time.process_time() - cpu, time.perf_counter() - wall
        users, values = nights.judge(night, models)
        means = dict(zip(fits, values.mean(axis=0).tolist(), strict=True))
        yield [Fitted(night, name, *seconds[name], means[name]) for name in fits], users, values


def compared(model: str, nights: Nights, fits: Fits) -> tuple[list[Fitted], list[Compared]]:
    """All fits of a model, and each way to fit it compared with from scratch."""
    rows: list[Fitted] = []
    all_users, all_values = [], []
    for night_rows, users, values in fitted(nights, fits):
        rows += night_rows
        all_users.append(users)
        all_values.append(values)
        for row in night_rows:
            print(f"  {model}, night {row.night}, {row.fit}: {row.cpu_s:.1f} s, {row.ndcg:.4f}")
    users, place = np.unique(np.concatenate(all_users), return_inverse=True)
    values = np.concatenate(all_values)
    sums = np.zeros((len(users), len(fits)))
    np.add.at(sums, place, values)
    scratch = np.repeat(sums[:, [list(fits).index(_SCRATCH)]], len(fits), axis=1)
    differences = paired_differences(
        sums, scratch, _SAMPLES, counts=np.bincount(place).astype(float)
    )
    whole_s = _mean(rows, _SCRATCH, "cpu_s")
    return rows, [
        Compared(
            model,
            name,
            _mean(rows, name, "cpu_s"),
            _mean(rows, name, "wall_s"),
            1 - _mean(rows, name, "cpu_s") / whole_s,
            float(values[:, column].mean()),
            differences[column],
        )
        for column, name in enumerate(fits)
    ]


def _mean(rows: list[Fitted], fit: str, figure: str) -> float:
    return float(np.mean([getattr(row, figure) for row in rows if row.fit == fit]))


def table(rows: list[Compared]) -> str:
    """A row per model and way to fit, in Markdown."""
    head = (
        "| model | fit | CPU, s per night | clock, s | CPU saved | NDCG@10 | less from scratch |\n"
        "|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *map(_row, rows)])


def _row(row: Compared) -> str:
    less = row.less_scratch
    difference = f"{less.mean:+.4f} [{less.low:+.4f}, {less.high:+.4f}]"
    saved, shown = (f"{row.saved:.0%}", difference) if row.fit != _SCRATCH else ("–", "–")
    return (
        f"| {row.model} | {row.fit} | {row.cpu_s:.1f} | {row.wall_s:.1f} | {saved} "
        f"| {row.ndcg:.4f} | {shown} |"
    )


def main() -> None:
    """Runs the benchmark from the command line."""
    chosen = _parsed()
    _, material = _runs.read(chosen, chosen.seed)
    nights = Nights(material, chosen.nights, chosen.seed)
    fits_made: list[dict[str, Any]] = []
    comparisons: list[Compared] = []
    for name in chosen.models:
        judged = entry_of(name).build({**entry_of(name).fixed, "seed": chosen.seed})
        judged = judged.fit(nights.first())
        fits = (
            fits_of_hybrid(judged)
            if isinstance(judged, HMDF)
            else fits_of_network(judged, nights.before())
        )
        of_model = compared(name, nights, fits)
        fits_made += [{"model": name, **asdict(row)} for row in of_model[0]]
        comparisons += of_model[1]
        print(table(of_model[1]), flush=True)
    facts = {"data": chosen.data.name, "nights": chosen.nights, "seed": chosen.seed}
    figures = {"fits": fits_made, "rows": [asdict(row) for row in comparisons]}
    _runs.write(chosen.out, {**facts, **figures})


def _parsed() -> argparse.Namespace:
    parser = _runs.parser(__doc__, "warm_start.json")
    names = f"{HYBRID},mmnn,transformer,gat"
    parser.add_argument("--models", type=_names, default=_names(names), help="commas between")
    parser.add_argument("--nights", type=int, default=3)
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args()


def _names(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()]


if __name__ == "__main__":
    main()

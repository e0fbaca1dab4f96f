"""Trees that rank newcomers, items without an event: `models.hmdf.newcomers` asks them.

They learn from items with events as if those had just arrived: would they have been chosen?
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import lightgbm as lgb
import numpy as np

from models.data import Bools, Dataset, Floats, Histories, Ints
from models.hmdf.config import HMDFConfig
from models.hmdf.item_content import ItemContent
from models.hmdf.numbers import ItemNumbers
from models.hmdf.similarity import ContentSimilarity
from models.hmdf.slices import Slice, dataset_of, new_choices
from models.hmdf.taste_map import by_others, factors_of, targets_of

_FOLDS = 5
_ITEMS_OF_A_FOLD = 30
"""Candidates of a user among the items that are held out together."""

_MOST_USERS = 2000
_ROUNDS = 100


@dataclass(frozen=True)
class _Rows:
    """Items as if they had just arrived, and whether they were chosen next.

    Attributes:
        features: (r, f) of `ItemContent`.
        chosen: (r,) whether the user chose the item.
    """

    features: Floats
    chosen: Bools


@dataclass(frozen=True)
class Arrivals:
    """What one slice says of items that have just arrived.

    Attributes:
        held_out: items with a past, as if they had none.
        without_past: items without one.
    """

    held_out: _Rows
    without_past: _Rows

    @staticmethod
    def of_slices(
        dataset: Dataset,
        parts: Sequence[Slice],
        similarity: ContentSimilarity,
        ties: Ints,
        seed: int,
        pool: Executor,
    ) -> "tuple[Arrivals, ...]":
        """In each slice the items with a past are held out in turn, a fifth at a time.

        What is predicted of them comes from the others. Items without a past are judged along with
        them.

        Args:
            dataset: the catalogue.
            parts: the slices.
            similarity: of its items; without any content there are no arrivals.
            ties: (n_items,) the order of equal scores.
            seed: draws users and folds.
            pool: threads that take a slice each.
        """
        if not similarity.spaces:
            return ()
        of_slice = partial(_arrivals, dataset, similarity, ties)
        return tuple(pool.map(of_slice, parts, range(seed, seed + len(parts))))


@dataclass(frozen=True)
class NewcomerTrees:
    """Trees that say the log-odds that an item is chosen which has just arrived.

    Attributes:
        booster: reads the features of `ItemContent`.
        stale: log-odds that are added for an item that was there all the time and that nobody
            chose: less than 0 where such items were chosen less than predicted.
    """

    booster: lgb.Booster
    stale: float

    @staticmethod
    def of(arrivals: Sequence[Arrivals], config: HMDFConfig) -> "NewcomerTrees | None":
        """Learns what would have been chosen if items had just arrived.

        Returns:
            None if no such item was chosen, or no item has any content.
        """
        if not any(part.held_out.chosen.any() for part in arrivals):
            return None
        data = lgb.Dataset(
            np.concatenate([part.held_out.features for part in arrivals]),
            np.concatenate([part.held_out.chosen for part in arrivals]).astype(np.float32),
            params={"verbosity": -1},
        )
        booster = lgb.train(_parameters(config), data, _ROUNDS)
        return NewcomerTrees(booster, _staleness(booster, [part.without_past for part in arrivals]))


def _arrivals(
    dataset: Dataset, similarity: ContentSimilarity, ties: Ints, part: Slice, seed: int
) -> Arrivals:
    """In a slice, the items with a past as if they had just arrived, and those without a past."""
    rng = np.random.default_rng(seed)
    counts = np.bincount(part.past.items, minlength=dataset.n_items)
    folds = rng.integers(_FOLDS, size=dataset.n_items).astype(np.int32)
    factors = factors_of(dataset_of(dataset, part.past), seed)
    tastes = by_others(similarity, targets_of(factors, counts), counts > 0, folds)
    numbers = ItemNumbers.of(dataset.tokens, dataset.n_items)
    themselves = np.arange(dataset.n_items, dtype=np.int32)
    content = ItemContent(factors, tastes, similarity, numbers, themselves)
    users, chosen = new_choices(part, dataset.n_items)
    drawn = np.sort(rng.permutation(len(users))[:_MOST_USERS])
    histories = Histories.of(part.past, users[drawn])
    vectors = content.vectors(histories)

    def rows_of(groups: Sequence[Bools]) -> _Rows:
        candidates = [
            content.candidates(histories, vectors, _places(group), _ITEMS_OF_A_FOLD, ties)
            for group in groups
        ]
        rows, items = (np.concatenate(each) for each in zip(*candidates, strict=True))
        order = np.argsort(rows, kind="stable")
        rows, items = rows[order], items[order]
        pairs = drawn[rows].astype(np.int64) * dataset.n_items + items
        features = content.features(histories, vectors, rows, items)
        return _Rows(features, np.isin(pairs, chosen))

    return Arrivals(
        rows_of([(folds == fold) & (counts > 0) for fold in range(_FOLDS)]),
        rows_of([counts == 0]),
    )


def _staleness(booster: lgb.Booster, rows: Sequence[_Rows]) -> float:
    """How much less often, in log-odds, items without a past were chosen than was predicted.

    One choice is added to both counts, so that few items prove little.
    """
    features = np.concatenate([part.features for part in rows])
    chosen = sum(int(part.chosen.sum()) for part in rows)
    predicted = float(np.sum(booster.predict(features))) if len(features) else 0.0
    return float(np.log((chosen + 1) / (predicted + 1)))


def _parameters(config: HMDFConfig) -> dict[str, Any]:
    return {
        "objective": "binary",
        "num_leaves": config.leaves,
        "learning_rate": 0.05,
        "min_data_in_leaf": 2 * config.leaf_rows,
        "lambda_l2": config.penalty,
        "feature_fraction": 0.5,
        "bagging_fraction": config.row_share,
        "bagging_freq": 1,
        "seed": config.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": config.threads,
        "verbosity": -1,
    }


def _places(mask: Bools) -> Ints:
    return np.flatnonzero(mask).astype(np.int32)

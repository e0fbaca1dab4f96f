"""Items that nobody has chosen yet: ranked by what they are, on the scale of the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from models.baselines import ALS
from models.data import Bools, Dataset, Floats, Histories, Ints, TokenTable
from models.explanation import BEHAVIOUR, POPULARITY
from models.hmdf.config import HMDFConfig
from models.hmdf.numbers import ItemNumbers, numbers_of
from models.hmdf.score_scale import ScoreScale
from models.hmdf.similarity import ContentSimilarity
from models.hmdf.slices import Slice, knowing, new_choices
from models.hmdf.taste_map import TasteMap, Tastes, by_others, factors_of, targets_of
from models.ranking import top_k
from models.reindexed import translated
from models.trees import Trees, of_boosters

_FOLDS = 5
_OF_A_FOLD = 30
_MOST_USERS = 2000
_ROUNDS = 100
_ATTRIBUTES = "attributes"


@dataclass(frozen=True)
class ItemContent:
    """What is known of items without a single event.

    Attributes:
        factors: matrix factorisation of the others, which makes a user of a history.
        tastes: what content foretells of each item.
        similarity: nearness of an item to others, by modality.
        numbers: an item's year and the like.
        stands_for: (n_items,) each item itself and, of those that came after the fit, the nearest
            that was there; -1 where none is near.
    """

    factors: ALS
    tastes: Tastes
    similarity: ContentSimilarity
    numbers: ItemNumbers
    stands_for: Ints

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the f features."""
        return (
            *(f"{name}_taste" for name in self.similarity.spaces),
            "popularity_foretold",
            "user_events",
            *self.similarity.names,
            *self.numbers.names(),
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """What each feature is a figure of: a part of this name, or a modality."""
        return (
            *self.similarity.spaces,
            POPULARITY,
            BEHAVIOUR,
            *self.similarity.reads,
            *(_ATTRIBUTES for _ in self.numbers.names()),
        )

    def vectors(self, users: Histories) -> Floats:
        """Users (n_users, f) by what they did."""
        return self.factors.user_vectors(translated(users, self.stands_for))

    def candidates(
        self, users: Histories, vectors: Floats, among: Ints, most: int, ties: Ints
    ) -> tuple[Ints, Ints]:
        """Those of `among` that are nearest to each user's taste and that the user never had.

        Args:
            users: their histories.
            vectors: theirs.
            among: (k,) dense indexes.
            most: items of each user at most.
            ties: (n_items,) the order of equal ones.

        Returns:
            Rows (r,), ascending, and items (r,).
        """
        if not len(among):
            return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32)
        scores = vectors @ self.tastes.whole[among].T
        found = top_k(scores, min(most, len(among)), ties, items=among, exclude=users).items
        rows, places = np.nonzero(found >= 0)
        return rows.astype(np.int32), found[rows, places]

    def features(self, users: Histories, vectors: Floats, rows: Ints, items: Ints) -> Floats:
        """Features (r, f) float32 of pairs of a user row, ascending, and an item."""
        by_modality = self.tastes.by_modality[:, items]
        return np.column_stack(
            [
                np.einsum("rf,mrf->rm", vectors[rows], by_modality),
                self.tastes.popularity[items],
                np.log1p(users.lengths)[rows],
                self.similarity.cosines(users, rows, items),
                numbers_of(self.numbers, users, rows, items),
            ]
        ).astype(np.float32)


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
class NewcomerTrees:
    """Trees that say the log-odds that an item is chosen which has just arrived.

    Attributes:
        booster: reads the features of `ItemContent`.
        stale: what is added for an item that was there all the time and that nobody chose.
    """

    booster: lgb.Booster
    stale: float

    @staticmethod
    def of(
        dataset: Dataset,
        parts: Sequence[Slice],
        similarity: ContentSimilarity,
        ties: Ints,
        config: HMDFConfig,
    ) -> "NewcomerTrees | None":
        """Learns from what would have been chosen of items if they had just arrived.

        In each slice every item with a past is held out in turn, with a fifth of all: what is
        foretold of it comes from the others. What nobody chose before, is judged beside them.

        Returns:
            None where no such item was chosen, or no item has any content.
        """
        if not similarity.spaces:
            return None
        arrived, stale = [], []
        for place, part in enumerate(parts):
            found = _arrivals(dataset, part, similarity, ties, config.seed + place)
            arrived.append(found[0])
            stale.append(found[1])
        chosen = np.concatenate([rows.chosen for rows in arrived])
        if not chosen.any():
            return None
        data = lgb.Dataset(
            np.concatenate([rows.features for rows in arrived]),
            chosen.astype(np.float32),
            params={"verbosity": -1},
        )
        booster = lgb.train(_parameters(config), data, _ROUNDS)
        return NewcomerTrees(booster, _staleness(booster, stale))


@dataclass(frozen=True)
class Newcomers:
    """Ranks the items that the hybrid's own trees know nothing of.

    Attributes:
        taste: what foretells tastes.
        content: of every item of the catalogue.
        items: (k,) the dense indexes of those without events, ascending.
        added: (k,) log-odds that are added: `NewcomerTrees.stale` for those of the fit, 0 for those
            that came after it.
        trees: what ranks them.
        scale: of the scores of the items with events.
    """

    taste: TasteMap
    content: ItemContent
    items: Ints
    added: Floats
    trees: NewcomerTrees
    scale: ScoreScale

    @staticmethod
    def of(
        dataset: Dataset,
        similarity: ContentSimilarity,
        numbers: ItemNumbers,
        trees: NewcomerTrees,
        scale: ScoreScale,
        seed: int,
    ) -> "Newcomers":
        """The items of a dataset that nobody has chosen."""
        counts = np.bincount(dataset.train.items, minlength=dataset.n_items)
        factors = factors_of(dataset, seed)
        taste = TasteMap.of(similarity, targets_of(factors, counts), counts > 0)
        themselves = np.arange(dataset.n_items, dtype=np.int32)
        content = ItemContent(factors, taste.tastes(similarity), similarity, numbers, themselves)
        items = np.flatnonzero(counts == 0).astype(np.int32)
        added = np.full(len(items), trees.stale, dtype=np.float32)
        return Newcomers(taste, content, items, added, trees, scale)

    def best(
        self, users: Histories, allowed: Bools, most: int, ties: Ints
    ) -> tuple[Ints, Ints, Floats]:
        """Rows, items and scores (r,) of the best new items that may be shown to each user."""
        among = self.items[allowed[self.items]]
        vectors = self.content.vectors(users) if len(among) else _NOBODY
        rows, items = self.content.candidates(users, vectors, among, most, ties)
        return rows, items, self._scored(users, vectors, rows, items)

    def given(self, users: Histories, items: Ints) -> Floats:
        """Scores (n_users, k) of new items (k,)."""
        rows = np.repeat(np.arange(len(users), dtype=np.int32), len(items))
        vectors = self.content.vectors(users)
        scores = self._scored(users, vectors, rows, np.tile(items, len(users)))
        return scores.reshape(len(users), len(items))

    def brought(self, users: Histories, rows: Ints, items: Ints) -> NDArray[np.float64]:
        """What each feature (r, f) added to the scores of pairs of a user row and an item."""
        features = self.content.features(users, self.content.vectors(users), rows, items)
        return self._compiled.contributions(features)[0] / self.scale.slope

    def masked(self, tokens: Mapping[str, TokenTable]) -> "Newcomers":
        """The same over other tokens of the same items."""
        content = self.content
        return self._over(content.similarity.masked(tokens), content.numbers.masked(tokens))

    def extended(self, tokens: Mapping[str, TokenTable], places: Ints) -> "Newcomers":
        """The same over further and changed items; see `models.protocol.Extendable`."""
        content, n_items = self.content, len(self.content.numbers.values)
        further = places[places >= n_items]
        over = self._over(
            content.similarity.extended(tokens, places), content.numbers.extended(tokens, places)
        )
        n_known = len(content.factors.learned("items"))
        near = over.content.similarity.nearest(further, n_known)
        return replace(
            over,
            content=replace(
                over.content,
                stands_for=np.concatenate([content.stands_for, near]).astype(np.int32),
            ),
            items=np.concatenate([self.items, further]).astype(np.int32),
            added=np.concatenate([self.added, np.zeros(len(further), dtype=np.float32)]),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """What is not the hybrid's own as named arrays, to be kept as state."""
        text = self.trees.booster.model_to_string()
        scale = self.scale
        return {
            "newcomers.taste": self.taste.weights,
            "newcomers.items": self.items,
            "newcomers.added": self.added,
            "newcomers.trees": np.frombuffer(text.encode(), dtype=np.uint8),
            "newcomers.numbers": np.array(
                [self.trees.stale, scale.slope, scale.activity, scale.base]
            ),
        }

    @staticmethod
    def of_arrays(
        arrays: Mapping[str, np.ndarray],
        factors: ALS,
        similarity: ContentSimilarity,
        numbers: ItemNumbers,
    ) -> "Newcomers":
        """What `arrays` named.

        Raises:
            KeyError: an array is missing.
        """
        taste = TasteMap(arrays["newcomers.taste"])
        booster = lgb.Booster(model_str=arrays["newcomers.trees"].tobytes().decode())
        themselves = np.arange(len(numbers.values), dtype=np.int32)
        stale, *scale = arrays["newcomers.numbers"].tolist()
        return Newcomers(
            taste,
            ItemContent(factors, taste.tastes(similarity), similarity, numbers, themselves),
            arrays["newcomers.items"],
            arrays["newcomers.added"],
            NewcomerTrees(booster, stale),
            ScoreScale(*scale),
        )

    def _over(self, similarity: ContentSimilarity, numbers: ItemNumbers) -> "Newcomers":
        tastes = self.taste.tastes(similarity)
        content = replace(self.content, tastes=tastes, similarity=similarity, numbers=numbers)
        return replace(self, content=content)

    def _scored(self, users: Histories, vectors: Floats, rows: Ints, items: Ints) -> Floats:
        if not len(rows):
            return np.zeros(0, dtype=np.float32)
        odds = self._compiled.score(self.content.features(users, vectors, rows, items))
        odds = odds + self.added[np.searchsorted(self.items, items)]
        return self.scale.placed(odds, users.lengths[rows])

    @cached_property
    def _compiled(self) -> Trees:
        return of_boosters([self.trees.booster])


_NOBODY = np.zeros((0, 0), dtype=np.float32)


def _arrivals(
    dataset: Dataset, part: Slice, similarity: ContentSimilarity, ties: Ints, seed: int
) -> tuple[_Rows, _Rows]:
    """Items with a past as if they had just arrived, and those without one, in a slice."""
    rng = np.random.default_rng(seed)
    counts = np.bincount(part.past.items, minlength=dataset.n_items)
    folds = rng.integers(_FOLDS, size=dataset.n_items).astype(np.int32)
    factors = factors_of(knowing(dataset, part.past), seed)
    tastes = by_others(similarity, targets_of(factors, counts), counts > 0, folds)
    numbers = ItemNumbers.of(dataset.tokens, dataset.n_items)
    themselves = np.arange(dataset.n_items, dtype=np.int32)
    content = ItemContent(factors, tastes, similarity, numbers, themselves)
    users, chosen = new_choices(part, dataset.n_items)
    drawn = np.sort(rng.permutation(len(users))[:_MOST_USERS])
    histories = Histories.of(part.past, users[drawn])
    vectors = content.vectors(histories)

    def rows_of(groups: Sequence[Bools]) -> _Rows:
        found = [
            content.candidates(histories, vectors, _places(group), _OF_A_FOLD, ties)
            for group in groups
        ]
        rows, items = (np.concatenate(each) for each in zip(*found, strict=True))
        order = np.argsort(rows, kind="stable")
        rows, items = rows[order], items[order]
        pairs = drawn[rows].astype(np.int64) * dataset.n_items + items
        features = content.features(histories, vectors, rows, items)
        return _Rows(features, np.isin(pairs, chosen))

    return (
        rows_of([(folds == fold) & (counts > 0) for fold in range(_FOLDS)]),
        rows_of([counts == 0]),
    )


def _staleness(booster: lgb.Booster, rows: Sequence[_Rows]) -> float:
    """How much less, in log-odds, items were chosen that nobody had chosen before, than foretold.

    One choice is added to both, so that few items prove little.
    """
    features = np.concatenate([one.features for one in rows])
    chosen = sum(int(one.chosen.sum()) for one in rows)
    foretold = float(np.sum(booster.predict(features))) if len(features) else 0.0
    return float(np.log((chosen + 1) / (foretold + 1)))


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

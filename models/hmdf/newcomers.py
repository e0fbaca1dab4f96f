"""Items that nobody has chosen yet: ranked by what they are, on the scale of the others."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from models.baselines import ALS
from models.data import Bools, Dataset, Floats, Histories, Ints, TokenTable
from models.hmdf.arrivals import NewcomerTrees
from models.hmdf.item_content import ItemContent
from models.hmdf.numbers import ItemNumbers
from models.hmdf.score_scale import ScoreScale
from models.hmdf.similarity import ContentSimilarity
from models.hmdf.taste_map import TasteMap, targets_of
from models.trees import Trees, of_boosters

_NOBODY = np.zeros((0, 0), dtype=np.float32)


@dataclass(frozen=True)
class Newcomers:
    """Ranks the items that the hybrid's own trees know nothing of.

    Attributes:
        taste: what predicts tastes.
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
        factors: ALS,
    ) -> "Newcomers":
        """The items of a dataset that nobody has chosen; `factors` are those of the others."""
        counts = np.bincount(dataset.train.items, minlength=dataset.n_items)
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
        known = np.ones(len(content.factors.learned("items")), dtype=bool)
        known[self.items[self.items < len(known)]] = False
        near = over.content.similarity.nearest(further, np.flatnonzero(known).astype(np.int32))
        return over._with(
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
        return self._with(content=content)

    def _with(self, **changes: Any) -> "Newcomers":
        """The same trees with other items, without laying them out again."""
        other = replace(self, **changes)
        vars(other)["_compiled"] = self._compiled
        return other

    def _scored(self, users: Histories, vectors: Floats, rows: Ints, items: Ints) -> Floats:
        if not len(rows):
            return np.zeros(0, dtype=np.float32)
        odds = self._compiled.score(self.content.features(users, vectors, rows, items))
        odds = odds + self.added[np.searchsorted(self.items, items)]
        return self.scale.placed(odds, users.lengths[rows])

    @cached_property
    def _compiled(self) -> Trees:
        return of_boosters([self.trees.booster])

"""What the trees read of a candidate, and what each number is a figure of."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.data import Dataset, Floats, Histories, Interactions, Ints, TokenTable
from models.explanation import BEHAVIOUR
from models.hmdf import statistics
from models.hmdf._ranking_kernels import compared
from models.hmdf.candidates import Pairs
from models.hmdf.item_links import ItemLinks
from models.hmdf.numbers import ItemNumbers, numbers_of
from models.hmdf.similarity import ContentSimilarity
from models.hmdf.statistics import ItemStatistics, statistics_of

_ATTRIBUTES = "attributes"


@dataclass(frozen=True)
class Knowledge:
    """What is known of items and of what was done with them, strictly before a slice.

    Attributes:
        links: what past items say of others.
        statistics: counts of the items' events.
        numbers: an item's year and the like.
        content: nearness of an item to others, by modality.
    """

    links: ItemLinks
    statistics: ItemStatistics
    numbers: ItemNumbers
    content: ContentSimilarity

    @staticmethod
    def of(
        dataset: Dataset,
        content: ContentSimilarity,
        events: Interactions,
        each: Callable[..., Iterable[Any]] = map,
    ) -> "Knowledge":
        """What events say, and what the dataset says of its items.

        Args:
            dataset: the catalogue and its users.
            content: fitted to the catalogue.
            events: sorted by user, then time.
            each: see `ItemLinks.of`.
        """
        return Knowledge(
            ItemLinks.of(events, dataset.n_users, dataset.n_items, each),
            ItemStatistics.of(events, dataset.n_items),
            ItemNumbers.of(dataset.tokens, dataset.n_items),
            content,
        )

    def names(self, scores: Sequence[str]) -> tuple[str, ...]:
        """Names of the f features, those of the named scores first."""
        of_scores = (f"{name}_{kind}" for name in scores for kind in ("standardised", "log_rank"))
        return (
            *of_scores,
            *self.links.names,
            *self.content.names,
            *statistics.NAMES,
            *self.numbers.names(),
        )

    def reads(self, scores: Sequence[str]) -> tuple[str, ...]:
        """What each of `names` is a figure of: a part of this name, or a modality.

        Args:
            scores: what each score is a figure of.
        """
        return (
            *(part for part in scores for _ in range(2)),
            *(BEHAVIOUR for _ in self.links.names),
            *self.content.reads,
            *statistics.READS,
            *(_ATTRIBUTES for _ in self.numbers.names()),
        )

    def features(self, pairs: Pairs, users: Histories) -> Floats:
        """Features (r, f) float32 of candidates of these users."""
        rows, items = pairs.rows, pairs.items
        return np.hstack(
            [
                compared(pairs.scores, pairs.ends(len(users))),
                pairs.sums,
                self.content.cosines(users, rows, items),
                statistics_of(self.statistics, users, rows, items),
                numbers_of(self.numbers, users, rows, items),
            ]
        )

    def masked(self, tokens: Mapping[str, TokenTable]) -> "Knowledge":
        """The same events over other tokens of the same items."""
        return replace(
            self, numbers=self.numbers.masked(tokens), content=self.content.masked(tokens)
        )

    def changed(self, tokens: Mapping[str, TokenTable], places: Ints) -> "Knowledge":
        """The same events, and other tokens of the k items at these places (k,)."""
        return replace(
            self,
            numbers=self.numbers.extended(tokens, places),
            content=self.content.extended(tokens, places),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as named arrays, to be kept as state."""
        return {
            **self.links.arrays(),
            **self.content.arrays(),
            **{f"statistics.{name}": getattr(self.statistics, name) for name in _STATISTICS},
            "numbers.columns": self.numbers.columns,
            "numbers.values": self.numbers.values,
        }

    @staticmethod
    def of_arrays(arrays: Mapping[str, np.ndarray], kinds: Sequence[str]) -> "Knowledge":
        """The knowledge whose arrays `arrays` named.

        Raises:
            KeyError: one is missing.
        """
        values = arrays["statistics.values"]
        return Knowledge(
            ItemLinks.of_arrays(arrays, kinds, len(values)),
            ItemStatistics(*(arrays[f"statistics.{name}"] for name in _STATISTICS)),
            ItemNumbers(arrays["numbers.columns"], arrays["numbers.values"]),
            ContentSimilarity.of_arrays(arrays),
        )


_STATISTICS = ("times", "starts", "values")

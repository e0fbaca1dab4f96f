"""What the hybrid learns from some of the events, and what it makes of each slice of them."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from models.data import Dataset, Interactions
from models.evaluation import known_events
from models.hmdf.config import HMDFConfig
from models.hmdf.features import Knowledge
from models.hmdf.labelling import labelled
from models.hmdf.ranker import Ranker
from models.hmdf.retrievers import Retrievers
from models.hmdf.similarity import ContentSimilarity
from models.hmdf.slices import Slice, dataset_of, holding_out_last_events
from models.hmdf.trees import LabelledSlice
from models.parallel import fit_all
from models.protocol import NothingToLearnError, Trainable
from models.ranking import tie_breaks
from models.threads import threads

_log = logging.getLogger(__name__)
_FEWEST_SLICES = 2


@dataclass(frozen=True)
class Learner:
    """Makes a ranker without trees from any of a dataset's events.

    Attributes:
        dataset: the catalogue.
        retrievers: that are fitted.
        content: of its items.
        config: of the hybrid.
        processes: that fit networks at the same time.
    """

    dataset: Dataset
    retrievers: Retrievers
    content: ContentSimilarity
    config: HMDFConfig
    processes: int

    def pool(self) -> AbstractContextManager[Executor]:
        """Threads that learn side by side; one where networks have processes."""
        return threads(1 if self.retrievers.trained else self.config.threads)

    def learned(self, known: Interactions, each: Callable[..., Iterable[Any]] = map) -> Ranker:
        """Counts and fits all that says something of candidates, from `known` alone.

        Args:
            known: sorted by user, then time.
            each: see `models.hmdf.item_links.ItemLinks.of`.
        """
        dataset, seed = self.dataset, self.config.seed
        everything = dataset_of(dataset, known)
        solved = fit_all(self.retrievers.solved, everything, 1)
        last_held_out = holding_out_last_events(dataset, known)
        trained = fit_all(self.retrievers.trained, last_held_out, self.processes)
        models: Mapping[str, Trainable] = {**solved, **trained}
        ties = tie_breaks(dataset.item_ids.ids, seed)
        knowledge = Knowledge.of(everything, self.content, known, each)
        return Ranker(self.config.candidates, ties, models, self.retrievers.reads, knowledge)

    def described(
        self, parts: Sequence[Slice], pool: Executor
    ) -> tuple[tuple[LabelledSlice, ...], Ranker]:
        """Each slice, described by its own past, and the ranker that described the last one.

        A slice without a choice that is among its candidates is left out, with a warning.

        Args:
            parts: the slices.
            pool: threads that take one each.

        Raises:
            NothingToLearnError: fewer than two slices are left, or not that of the validation
                events.
        """

        def of(part: Slice) -> tuple[LabelledSlice, Ranker | None]:
            ranker = self.learned(part.past)
            # The validated figure is one of all these users, as it is of every other model.
            most = None if self._is_validation(part) else self.config.most_users
            found = labelled(ranker, self.dataset.n_items, part, most, self.config.seed)
            return found, ranker if part is parts[-1] else None

        found, rankers = zip(*pool.map(of, parts), strict=True)
        for part, one in zip(parts, found, strict=True):
            if not one.chosen.any():
                self._leave_out(part)
        slices = tuple(one for one in found if one.chosen.any())
        if len(slices) < _FEWEST_SLICES:
            raise NothingToLearnError(
                "The hybrid needs two slices with a choice among its candidates; there are "
                f"{len(slices)} among {len(known_events(self.dataset))} events. "
                "It takes more events, or other models."
            )
        return slices, rankers[-1]

    def _is_validation(self, part: Slice) -> bool:
        return part.labels is self.dataset.validation

    def _leave_out(self, part: Slice) -> None:
        if self._is_validation(part):
            raise NothingToLearnError(
                f"None of the {len(part.labels)} validation events is of a candidate of the "
                "hybrid, so that nothing could judge it. It takes more events, or other models."
            )
        _log.warning(
            "The slice after %d events is left out: nobody chose a candidate in it.",
            len(part.past),
        )

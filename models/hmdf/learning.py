"""What the hybrid learns from some of the events, and what it makes of each slice of them."""

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor as Threads
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.data import Dataset, Impressions, Interactions
from models.evaluation import known_events
from models.hmdf.config import HMDFConfig
from models.hmdf.features import Knowledge
from models.hmdf.labelling import labelled
from models.hmdf.ranker import Ranker
from models.hmdf.retrievers import Retrievers
from models.hmdf.shown import NotChosen
from models.hmdf.similarity import ContentSimilarity
from models.hmdf.slices import Slice, dataset_of, holding_out_last_events
from models.hmdf.trees import LabelledSlice
from models.parallel import ONE_PROCESS, Executor
from models.protocol import NothingToLearnError, Trainable
from models.ranking import tie_breaks
from models.threads import CallingThread, threads
from models.training import one_blas_thread

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
        executor: does what needs nothing of each other: earlier slices, and retrievers that train.
    """

    dataset: Dataset
    retrievers: Retrievers
    content: ContentSimilarity
    config: HMDFConfig
    executor: Executor

    def pool(self) -> AbstractContextManager[Threads]:
        """Threads that learn side by side; only the one that fits where networks have processes.

        A Ray task that waits for others lends its core to them only if its first thread waits: with
        another one, fits that hold every core would wait for ever.
        """
        if self.retrievers.trained:
            return nullcontext(CallingThread())
        return threads(self.config.threads)

    def learned(self, known: Interactions, each: Callable[..., Iterable[Any]] = map) -> Ranker:
        """Counts and fits all that says something of candidates, from `known` alone.

        Args:
            known: sorted by user, then time.
            each: see `models.hmdf.item_links.ItemLinks.of`.
        """
        everything = dataset_of(self.dataset, known)
        solved = ONE_PROCESS.fit_all(self.retrievers.solved, everything)
        last_held_out = holding_out_last_events(self.dataset, known)
        trained = self.executor.fit_all(self.retrievers.trained, last_held_out)
        models: dict[str, Trainable] = {**solved, **trained}
        ties = tie_breaks(self.dataset.item_ids.ids, self.config.seed)
        knowledge = Knowledge.of(everything, self.content, known, each)
        return Ranker(self.config.candidates, ties, models, self.retrievers.reads, knowledge)

    def described(
        self, part: Slice, not_chosen: NotChosen | None, most_users: int | None
    ) -> tuple[LabelledSlice, Ranker]:
        """The candidates of a slice as its past describes them, and what that past says.

        Args:
            part: the slice.
            not_chosen: what was shown in its time; None where nothing was.
            most_users: of whom so many are drawn where there are more; None for all.
        """
        ranker = self.learned(part.past)
        n_items, seed = self.dataset.n_items, self.config.seed
        return labelled(ranker, n_items, part, most_users, seed, not_chosen), ranker

    def all_described(
        self, parts: Sequence[Slice], pool: Threads
    ) -> tuple[tuple[LabelledSlice, ...], Ranker]:
        """Each slice, described by its own past, and the ranker that described the last one.

        A slice without a choice that is among its candidates is left out, with a warning. The last
        one is described here, while the executor may have the others described elsewhere.

        Args:
            parts: the slices.
            pool: threads of this process that take one each.

        Raises:
            NothingToLearnError: fewer than two slices are left, or not that of the validation
                events.
        """
        *earlier, last = parts
        # Each slice brings its own past, and no other event may be known to it.
        items = replace(
            dataset_of(self.dataset, _none_of(self.dataset.train)), impressions=Impressions.none()
        )
        jobs = {
            f"slice {place}, after {len(part.past)} events": (part, self._not_chosen(part, last))
            for place, part in enumerate(earlier, start=1)
        }
        others = self.executor.map(label, (replace(self, dataset=items),), jobs, pool)
        # The validated figure is one of all these users, as it is of every other model.
        most = None if self._is_validation(last) else self.config.most_users
        of_last = pool.submit(self.described, last, self._not_chosen(last, last), most)
        found = [*others, of_last.result()[0]]
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
        return slices, of_last.result()[1]

    def _not_chosen(self, part: Slice, judge: Slice) -> NotChosen | None:
        """What was shown in the time of a slice; None where no impression is known of one."""
        shown = self.dataset.impressions
        if not len(shown):
            return None
        return NotChosen.of(shown, part, judge.past, self.dataset.n_users)

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


@one_blas_thread()
def label(learner: Learner, part: Slice, not_chosen: NotChosen | None) -> LabelledSlice:
    """The candidates of an earlier slice, for any process: what was learned may be large."""
    return learner.described(part, not_chosen, learner.config.most_users)[0]


def _none_of(events: Interactions) -> Interactions:
    return events.take(np.zeros(0, dtype=np.int64))

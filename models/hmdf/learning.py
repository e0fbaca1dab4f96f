"""What a hybrid learns from a dataset: slices for its trees, and then knowledge of everything."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import lightgbm as lgb

from models.data import Dataset, Interactions
from models.evaluation import known_events
from models.hmdf.arrivals import NewcomerTrees
from models.hmdf.config import HMDFConfig
from models.hmdf.features import Knowledge
from models.hmdf.guests import GuestScores
from models.hmdf.labelling import labelled
from models.hmdf.newcomers import Newcomers
from models.hmdf.ranker import Ranker
from models.hmdf.retrievers import Retrievers
from models.hmdf.score_scale import ScoreScale
from models.hmdf.similarity import ContentSimilarity
from models.hmdf.slices import OF_TIME, Slice, Slicing, dataset_of, holding_out_last_events
from models.hmdf.trees import LabelledSlice
from models.parallel import fit_all
from models.protocol import NothingToLearnError, Trainable
from models.ranking import tie_breaks

_log = logging.getLogger(__name__)
_FEWEST_SLICES = 2


@dataclass(frozen=True)
class Learner:
    """By what a hybrid learns.

    Attributes:
        config: the settings of the hybrid.
        choose: which models a dataset gets.
        slicing: what is held out for the trees to learn from.
        processes: that fit models at the same time.
    """

    config: HMDFConfig
    choose: Callable[[Dataset], Retrievers]
    slicing: Slicing
    processes: int

    def cut(self, dataset: Dataset) -> tuple[Slice, ...]:
        """The slices that the trees learn from, the oldest first where they are of time."""
        known = known_events(dataset)
        return self.slicing.cut(dataset, known, self.config.slices, self.config.seed)

    def described(
        self, dataset: Dataset, parts: Sequence[Slice]
    ) -> tuple[tuple[LabelledSlice, ...], Ranker]:
        """What the trees are fitted to, and the ranker that described the last slice.

        A slice without a choice that is among its candidates is left out, with a warning.

        Args:
            dataset: that was cut.
            parts: from `cut`.

        Raises:
            NothingToLearnError: fewer than two slices are left.
        """
        retrievers, content = self.choose(dataset), ContentSimilarity.of(dataset.tokens)
        slices: list[LabelledSlice] = []
        for part in parts:
            _log.info("Describing what was chosen after %d events.", len(part.past))
            ranker = self._learn(retrievers, dataset, part.past, content)
            # The validated figure is one of all these users, as it is of every other model.
            most = None if part.labels is dataset.validation else self.config.most_users
            labelled_slice = labelled(ranker, dataset.n_items, part, most, self.config.seed)
            if labelled_slice.chosen.any():
                slices.append(labelled_slice)
            elif part.labels is dataset.validation:
                raise NothingToLearnError(
                    f"None of the {len(part.labels)} validation events is of a candidate of the "
                    "hybrid, so that nothing could judge it. It takes more events, or other models."
                )
            else:
                _log.warning(
                    "The slice after %d events is left out: nobody chose a candidate in it.",
                    len(part.past),
                )
        if len(slices) < _FEWEST_SLICES:
            raise NothingToLearnError(
                "The hybrid needs two slices with a choice among its candidates; there are "
                f"{len(slices)} among {len(known_events(dataset))} events. "
                "It takes more events, or other models."
            )
        return tuple(slices), ranker

    def knowing_all(
        self,
        dataset: Dataset,
        content: ContentSimilarity,
        bags: Sequence[lgb.Booster],
        of_newcomers: tuple[NewcomerTrees, ScoreScale] | None,
    ) -> Ranker:
        """What answers: trees that were fitted to slices, and the knowledge of everything.

        Args:
            dataset: all of whose events are known.
            content: of its items.
            bags: trees.
            of_newcomers: trees for items without events, and the scale on which these are placed;
                None where nothing could be learned of them.
        """
        known, seed = known_events(dataset), self.config.seed
        ranker = self._learn(self.choose(dataset), dataset, known, content)
        newcomers, guests = None, None
        if of_newcomers is not None:
            everything, numbers = dataset_of(dataset, known), ranker.knowledge.numbers
            newcomers = Newcomers.of(everything, content, numbers, *of_newcomers, seed)
        if self.slicing is OF_TIME:
            guests = GuestScores.of(known, dataset.n_items)
        return replace(ranker, bags=tuple(bags), newcomers=newcomers, guests=guests)

    def _learn(
        self,
        retrievers: Retrievers,
        dataset: Dataset,
        known: Interactions,
        content: ContentSimilarity,
    ) -> Ranker:
        """Counts and fits all that says something of candidates, from `known` alone."""
        everything = dataset_of(dataset, known)
        solved = fit_all(retrievers.solved, everything, 1)
        trained = fit_all(
            retrievers.trained, holding_out_last_events(dataset, known), self.processes
        )
        models: Mapping[str, Trainable] = {**solved, **trained}
        ties = tie_breaks(dataset.item_ids.ids, self.config.seed)
        knowledge = Knowledge.of(everything, content, known)
        return Ranker(self.config.candidates, ties, models, retrievers.reads, knowledge)

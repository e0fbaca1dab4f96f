"""What is known at one time, and the candidates that it describes."""

import logging

from models.data import Dataset, Interactions
from models.hmdf.config import HMDFConfig
from models.hmdf.features import Knowledge
from models.hmdf.labelling import labelled
from models.hmdf.ranker import Ranker
from models.hmdf.retrievers import Retrievers
from models.hmdf.similarity import ContentSimilarity
from models.hmdf.slices import Slice, dataset_of, holding_out_last_events
from models.hmdf.trees import LabelledSlice
from models.parallel import ONE_PROCESS, Executor
from models.protocol import Trainable
from models.ranking import tie_breaks
from models.training import one_blas_thread

_log = logging.getLogger(__name__)


def describe(
    dataset: Dataset,
    retrievers: Retrievers,
    content: ContentSimilarity,
    config: HMDFConfig,
    executor: Executor,
    part: Slice,
    most_users: int | None,
) -> tuple[LabelledSlice, Ranker]:
    """The candidates of a slice as its past describes them, and what was learned from that past.

    Args:
        dataset: whose users and items are those of the slice.
        retrievers: are fitted to its past.
        content: of the dataset's items.
        config: of the hybrid.
        executor: fits the retrievers that train.
        part: the slice.
        most_users: of whom so many are drawn where there are more; None for all.
    """
    _log.info("Describing what was chosen after %d events.", len(part.past))
    ranker = learn(dataset, retrievers, content, config, executor, part.past)
    return labelled(ranker, dataset.n_items, part, most_users, config.seed), ranker


@one_blas_thread()
def label(
    dataset: Dataset,
    retrievers: Retrievers,
    content: ContentSimilarity,
    config: HMDFConfig,
    executor: Executor,
    part: Slice,
) -> LabelledSlice:
    """The candidates of a slice alone, for any process: what was learned may be large."""
    most = config.most_users
    return describe(dataset, retrievers, content, config, executor, part, most)[0]


def learn(
    dataset: Dataset,
    retrievers: Retrievers,
    content: ContentSimilarity,
    config: HMDFConfig,
    executor: Executor,
    known: Interactions,
) -> Ranker:
    """Counts and fits all that says something of candidates, from `known` alone.

    Args:
        dataset: whose users and items are those of the events.
        retrievers: are fitted to `known`.
        content: of the dataset's items.
        config: of the hybrid.
        executor: fits the retrievers that train.
        known: events.

    Returns:
        A ranker without trees.
    """
    everything = dataset_of(dataset, known)
    solved = ONE_PROCESS.fit_all(retrievers.solved, everything)
    trained = executor.fit_all(retrievers.trained, holding_out_last_events(dataset, known))
    models: dict[str, Trainable] = {**solved, **trained}
    ties = tie_breaks(dataset.item_ids.ids, config.seed)
    knowledge = Knowledge.of(everything, content, known)
    return Ranker(config.candidates, ties, models, retrievers.reads, knowledge)

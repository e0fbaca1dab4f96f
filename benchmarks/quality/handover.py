"""From a split to the file that a peer reads."""

import numpy as np

from assets.datasets import SplitData
from benchmarks.peers.exchange import RANKING, RATING, Events, Task
from models.data import Floats, Histories, Interactions, Ints
from models.evaluation import Relevance, known_events
from models.ranking import tie_breaks
from models.splits.names import COLD_ITEM, RANDOM

K = 50
"""Length of every list: the largest cutoff that is measured."""


def task(data: SplitData, features: Floats, seed: int) -> Task:
    """What a peer is asked on this split: the lists of the users who have something to find.

    Args:
        data: the split.
        features: (n_items, d) of the items; given on cold items alone, since no peer reads them
            elsewhere.
        seed: of everything that a peer draws, and of the order of items of equal score.
    """
    rating, content_only = data.name == RANDOM, data.name == COLD_ITEM
    return Task(
        kind=RATING if rating else RANKING,
        n_users=data.dataset.n_users,
        n_items=data.dataset.n_items,
        k=K,
        seed=seed,
        train=_events(data.dataset.train),
        validation=_events(data.dataset.validation),
        validation_candidates=data.validation_candidates,
        test_users=data.test.users if rating else tested_users(data),
        test_items=data.test.items if rating else np.zeros(0, dtype=np.int32),
        test_candidates=data.candidates,
        ties=tie_breaks(data.dataset.item_ids.ids, seed),
        features=features if content_only else features[:, :0],
        content_only=content_only,
    )


def tested_users(data: SplitData) -> Ints:
    """Users (n,) with a test item that is new to them."""
    users = np.unique(data.test.users).astype(np.int32)
    histories = Histories.of(known_events(data.dataset), users)
    has_relevant = Relevance.of(data.test, histories, data.dataset.n_items).counts() > 0
    return users[has_relevant]


def _events(events: Interactions) -> Events:
    return Events(events.users, events.items, events.values, events.timestamps)

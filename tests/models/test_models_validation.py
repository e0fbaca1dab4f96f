"""What a fit is stopped by: it must ask what the evaluation asks."""

import math
from dataclasses import replace

import numpy as np
import pytest

from models.data import Dataset, Floats, Histories, Interactions, Ints, Vocabulary
from models.protocol import Ranking
from models.ranking import rank, tie_breaks
from models.validation import network_judge, validation_loss

N_ITEMS = 40


class Fixed:
    """Scores that are given, the same for everyone."""

    name = "fixed"

    def __init__(self, scores: Floats) -> None:
        self.scores = scores

    def fit(self, dataset: Dataset) -> "Fixed":
        return self

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        found = self.scores if items is None else self.scores[items]
        return np.tile(found.astype(np.float32), (len(users), 1))

    def recommend(self, users: Histories, k: int, exclude: Histories | None = None) -> Ranking:
        ties = tie_breaks([str(n) for n in range(len(self.scores))], 0)
        return rank(self.score, users, k, ties, exclude=exclude)


def events(*pairs: tuple[int, int]) -> Interactions:
    users, items = np.array(sorted(pairs), np.int32).reshape(-1, 2).T
    return Interactions(users, items, np.ones(len(users), np.float32), np.arange(len(users)))


def dataset(train: Interactions, validation: Interactions) -> Dataset:
    return Dataset(
        Vocabulary(("ann", "ben")),
        Vocabulary(tuple(f"i{n}" for n in range(N_ITEMS))),
        train,
        validation,
        {},
        np.zeros((len(train), 0), np.float32),
    )


def test_what_was_had_before_is_not_wanted() -> None:
    given = dataset(events((0, 1), (0, 2), (1, 3)), events((0, 1), (0, 5), (1, 3)))
    best_first = np.zeros(N_ITEMS)
    best_first[[1, 3, 5]] = 3, 2, 1
    assert validation_loss(given, Fixed(best_first), 1)() == pytest.approx(1 - 1 / math.log2(3)), (
        "3 is above 5"
    )
    best_first[3] = 0
    assert validation_loss(given, Fixed(best_first), 1)() == pytest.approx(0)


def test_the_order_of_the_catalogue_says_nothing_of_equal_scores() -> None:
    given = dataset(events((0, 1), (1, 2)), events((0, 1 + 5), (1, 2 + 5)))
    turned = np.random.default_rng(4).permutation(N_ITEMS)
    place = np.argsort(turned).astype(np.int32)
    moved = replace(
        given,
        item_ids=Vocabulary(tuple(given.item_ids.ids[n] for n in turned)),
        train=replace(given.train, items=place[given.train.items]),
        validation=replace(given.validation, items=place[given.validation.items]),
    )
    alike = Fixed(np.zeros(N_ITEMS))
    for seed in range(8):
        assert validation_loss(given, alike, seed)() == validation_loss(moved, alike, seed)()


def test_items_held_out_whole_are_ranked_among_themselves() -> None:
    given = dataset(events((0, 1), (1, 2)), events((0, 7), (1, 8)))
    rising = np.arange(N_ITEMS, dtype=float)
    one_above = 1 / math.log2(3)
    assert validation_loss(given, Fixed(rising), 1)() == pytest.approx(1 - (one_above + 1) / 2)


def test_weights_that_give_no_scores_have_diverged() -> None:
    given = dataset(events((0, 1), (1, 2)), events((0, 2), (1, 1)))
    judge = network_judge(given, Fixed(np.full(N_ITEMS, np.nan)), 1, lambda: None)
    assert judge is not None and math.isnan(judge())
    nothing = replace(given, validation=events())
    assert network_judge(nothing, Fixed(np.zeros(N_ITEMS)), 1, lambda: None) is None

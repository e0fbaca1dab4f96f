"""What the hybrid's trees learn from: whose choices are labelled, and which of them count."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from walking_users import random_walks

from models.data import Interactions
from models.evaluation import known_events
from models.hmdf import HMDF, HMDFConfig
from models.hmdf.labelling import labelled
from models.hmdf.ranker import Ranker
from models.hmdf.slices import time_slices

SMALL = HMDFConfig(candidates=15, rounds=40, patience=10, leaf_rows=5, penalty=1.0, threads=1)
walks = partial(random_walks, n_users=80, n_items=60, length=27, held=3)


@pytest.fixture(scope="session")
def ranker() -> Ranker:
    """Fitted to walks; for tests that only ask it."""
    return HMDF(SMALL).fit(walks())._any_ranker()


def test_what_was_done_before_is_not_wanted_again(ranker: Ranker) -> None:
    """Candidates leave it out, so that it would count as missed whatever the trees do."""
    dataset = walks()
    part = next(iter(time_slices(dataset, known_events(dataset), 2, 1)))
    again = part.past.take(np.arange(len(part.past)) % 9 == 0)
    labels = (part.labels, again)
    both = Interactions(
        *(
            np.concatenate([vars(one)[name] for one in labels])
            for name in ("users", "items", "values", "timestamps")
        )
    )
    once, twice = (
        labelled(ranker, dataset.n_items, part),
        labelled(
            ranker,
            dataset.n_items,
            replace(part, labels=both.take(np.argsort(both.users, kind="stable"))),
        ),
    )
    users = np.isin(np.unique(both.users), np.unique(part.labels.users))
    np.testing.assert_array_equal(twice.wanted[users], once.wanted)


def test_who_only_did_again_what_they_had_done_is_not_asked(ranker: Ranker) -> None:
    """Nothing could be predicted of them, and a mean over them would be no number."""
    dataset = walks()
    part = next(iter(time_slices(dataset, known_events(dataset), 2, 1)))
    nobody = int(part.labels.users[0])
    own = part.past.take(part.past.users == nobody)
    others = part.labels.take(part.labels.users != nobody)
    labels = Interactions(
        *(
            np.concatenate([vars(one)[name] for one in (own, others)])
            for name in ("users", "items", "values", "timestamps")
        )
    )
    found = labelled(ranker, dataset.n_items, replace(part, labels=labels))
    assert (found.wanted > 0).all()
    assert len(found.wanted) == len(np.unique(others.users))
    repeated = labelled(ranker, dataset.n_items, replace(part, labels=own))
    assert not repeated.chosen.any()


def test_of_many_users_a_draw_is_labelled(ranker: Ranker) -> None:
    dataset = walks()
    part = next(iter(time_slices(dataset, known_events(dataset), 2, 1)))
    everyone = labelled(ranker, dataset.n_items, part)
    some = labelled(ranker, dataset.n_items, part, most_users=20, seed=3)
    assert len(everyone.users) > len(some.users) == 20
    other = labelled(ranker, dataset.n_items, part, most_users=20, seed=4)
    assert set(some.users) != set(other.users)
    for row, user in enumerate(some.users):
        whole_row = int(np.flatnonzero(everyone.users == user)[0])
        mine, whole = (
            slice_.candidates.rows == place
            for slice_, place in ((some, row), (everyone, whole_row))
        )
        np.testing.assert_array_equal(some.candidates.items[mine], everyone.candidates.items[whole])
        np.testing.assert_array_equal(some.chosen[mine], everyone.chosen[whole])
        assert some.wanted[row] == everyone.wanted[whole_row]


def test_whoever_has_validation_events_is_asked_whatever_is_drawn() -> None:
    dataset = walks()
    model = HMDF(SMALL.model_copy(update={"most_users": 15})).fit(dataset)
    users, _ = model.validated_on()
    assert len(users) == len(np.unique(dataset.validation.users)) > 15
    slices = model.labelled_slices(dataset)
    assert [len(each.users) for each in slices[:-1]] == [15] * (len(slices) - 1)

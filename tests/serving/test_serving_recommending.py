"""What follows in a list after all that the champion finds itself."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from users_with_tastes import N_ITEMS, tastes

from models.baselines import EASE
from models.ranking import tie_breaks
from serving.champion import Champion
from serving.recommending import with_popular

DATA = tastes()


@pytest.fixture(scope="module")
def champion() -> Champion:
    counts = np.bincount(DATA.train.items, minlength=N_ITEMS)
    parts = SimpleNamespace(
        model=EASE().fit(DATA),
        ties=tie_breaks(DATA.item_ids.ids, 42),
        most_popular=np.argsort(-counts, kind="stable").astype(np.int32),
    )
    return cast(Champion, parts)


@pytest.mark.parametrize("n_found", [0, 1, 7])
def test_a_longer_list_begins_as_the_shorter_one_does(champion: Champion, n_found: int) -> None:
    history = DATA.histories().rows(0, 1)
    scores = champion.model.score(history)[0]
    order = np.argsort(-scores, kind="stable").astype(np.int32)
    allowed = np.ones(N_ITEMS, dtype=bool)
    allowed[order[-3:]] = False
    # What the champion found need not be what a plain score puts first.
    found = order[3 : 3 + n_found], scores[order[3 : 3 + n_found]]
    items, own = with_popular(champion, history, found, allowed)
    assert items[:n_found].tolist() == found[0].tolist()
    assert own[:n_found].tolist() == found[1].tolist()
    assert (np.diff(own) <= 0).all(), "scores go on falling"
    assert sorted(items.tolist()) == np.flatnonzero(allowed).tolist()

"""Who has no history gets what is chosen of late."""

import numpy as np
import pytest
from walking_users import random_walks

from models.data import Histories, Interactions
from models.hmdf import HMDF, HMDFConfig
from models.hmdf.guests import GuestScores, chosen_half_life

DAY = 86_400_000_000
SMALL = HMDFConfig(candidates=15, rounds=20, leaf_rows=5, penalty=1.0, threads=1)


def arriving(changing: bool) -> Interactions:
    """A user a day for two years; what is chosen changes every month, or never does."""
    rng = np.random.default_rng(4)
    days = np.repeat(np.arange(730), 3)
    kinds = days // 30 if changing else np.zeros(len(days), dtype=int)
    items = (4 * kinds + rng.integers(4, size=len(days))) % 100
    users = np.repeat(np.arange(730, dtype=np.int32), 3)
    times = days * DAY + np.tile([0, 1, 2], 730)
    return Interactions(users, items.astype(np.int32), np.ones(len(users), np.float32), times)


def test_how_long_an_event_counts_is_what_served_those_who_came_last() -> None:
    changing, lasting = arriving(True), arriving(False)
    assert chosen_half_life(changing, 100) == 30 < 365 <= chosen_half_life(lasting, 100)
    newest = changing.items[-1] // 4
    best = np.argsort(-GuestScores.of(changing, 100).values)
    assert set(best[:8] // 4) <= {newest, newest - 1, newest - 2}
    assert set(np.argsort(-GuestScores.of(lasting, 100).values)[:4]) == {0, 1, 2, 3}


def test_nobody_is_no_error() -> None:
    nothing = Interactions(*(np.zeros(0, kind) for kind in ("i4", "i4", "f4", "i8")))
    np.testing.assert_array_equal(GuestScores.of(nothing, 3).values, np.zeros(3))


def test_a_guest_of_the_hybrid_has_one_order_in_lists_and_for_given_items() -> None:
    dataset = random_walks(n_users=80, n_items=60, length=27, held=3)
    fitted = HMDF(SMALL).fit(dataset)
    guest = Histories.empty()
    scores = fitted.score(guest)[0]
    asked = np.array([5, 40, 11], np.int32)
    np.testing.assert_array_equal(fitted.score_given(guest, asked)[0], scores[asked])
    shown = np.array([3, 4, 5], np.int32)
    np.testing.assert_array_equal(fitted.score(guest, shown)[0], scores[shown])
    why = fitted.explain(guest, asked[None])
    assert why.shares[0, :, why.parts.index("popularity")] == pytest.approx(1)
    assert (why.past_items == -1).all()

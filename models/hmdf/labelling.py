"""What the trees learn from: candidates of a slice, and which of them were chosen."""

import numpy as np

from models.data import Histories, Ints, Longs
from models.hmdf.candidates import Candidates
from models.hmdf.guests import GuestScores
from models.hmdf.ranker import USERS_AT_ONCE, Ranker
from models.hmdf.score_scale import ScoreScale
from models.hmdf.shown import NotChosen
from models.hmdf.slices import Slice, new_choices
from models.hmdf.trees import LabelledSlice


def labelled(
    ranker: Ranker,
    n_items: int,
    part: Slice,
    most_users: int | None = None,
    seed: int = 42,
    not_chosen: NotChosen | None = None,
) -> LabelledSlice:
    """Candidates of users who have a label, and which of them were chosen.

    Args:
        ranker: fitted on the past of the slice.
        n_items: of the catalogue.
        part: the slice.
        most_users: of whom so many are drawn where there are more; by default all are labelled.
        seed: draws them.
        not_chosen: what was shown in the time of the slice; None where nothing was.
    """
    users, chosen = _some_of(*new_choices(part, n_items), n_items, most_users, seed)
    histories = Histories.of(part.past, users)
    blocks = []
    # Without users, one empty block still says how many features there are.
    for start in range(0, max(1, len(users)), USERS_AT_ONCE):
        rows = histories.rows(start, start + USERS_AT_ONCE)
        block = ranker.candidates(rows, part.candidates)
        blocks.append(Candidates(block.rows + start, block.items, block.features))
    candidates = Candidates.together(blocks)
    pairs = candidates.rows.astype(np.int64) * n_items + candidates.items
    wanted = np.bincount(chosen // n_items, minlength=len(users)).astype(np.int32)
    chosen_ones = np.isin(pairs, chosen)
    shown = None if not_chosen is None else not_chosen.candidates(ranker, part, users, candidates)
    return LabelledSlice(
        users, candidates, chosen_ones, wanted, histories.lengths, part.past, shown
    )


def _some_of(
    users: Ints, chosen: Longs, n_items: int, most: int | None, seed: int
) -> tuple[Ints, Longs]:
    """At most so many users (n,), and their pairs, row · n_items + item."""
    if most is None or len(users) <= most:
        return users, chosen
    drawn = np.sort(np.random.default_rng(seed).choice(len(users), most, replace=False))
    place = np.full(len(users), -1)
    place[drawn] = np.arange(most)
    rows = place[chosen // n_items]
    return users[drawn], (rows * n_items + chosen % n_items)[rows >= 0]


def scale_of(labelled_slice: LabelledSlice, scores: np.ndarray) -> ScoreScale | None:
    """What scores mean, by candidates that their trees had not seen."""
    events = labelled_slice.past_events[labelled_slice.candidates.rows]
    return ScoreScale.of(scores.astype(np.float32), events, labelled_slice.chosen)


def ndcg_with_guests(labelled_slice: LabelledSlice, scores: np.ndarray) -> np.ndarray:
    """NDCG@10 (n_users,) of scores (r,), with the guests' scores for users without a past."""
    candidates, past = labelled_slice.candidates, labelled_slice.past
    guests = labelled_slice.past_events[candidates.rows] == 0
    if guests.any():
        n_items = int(max(candidates.items.max(), past.items.max(initial=0))) + 1
        of_guests = GuestScores.of(past, n_items).values[candidates.items]
        scores = np.where(guests, of_guests, scores)
    return labelled_slice.ndcg(scores)

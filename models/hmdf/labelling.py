"""What the trees learn from: candidates of a slice, and which of them were chosen."""

import numpy as np

from models.data import Histories
from models.hmdf.candidates import Candidates
from models.hmdf.guests import GuestScores
from models.hmdf.ranker import USERS_AT_ONCE, Ranker
from models.hmdf.score_scale import ScoreScale
from models.hmdf.slices import Slice, new_choices
from models.hmdf.trees import LabelledSlice


def labelled(ranker: Ranker, n_items: int, part: Slice) -> LabelledSlice:
    """Candidates of the users who have a label, and which of them were chosen."""
    users, chosen = new_choices(part, n_items)
    histories = Histories.of(part.past, users)
    found_parts = []
    # A block of nobody says how many features there are where there is no user.
    for start in range(0, max(1, len(users)), USERS_AT_ONCE):
        rows = histories.rows(start, start + USERS_AT_ONCE)
        found = ranker.candidates(rows, part.candidates)
        found_parts.append(Candidates(found.rows + start, found.items, found.features))
    candidates = Candidates(
        np.concatenate([found.rows for found in found_parts]),
        np.concatenate([found.items for found in found_parts]),
        np.concatenate([found.features for found in found_parts]),
    )
    pairs = candidates.rows.astype(np.int64) * n_items + candidates.items
    wanted = np.bincount(chosen // n_items, minlength=len(users)).astype(np.int32)
    chosen_ones = np.isin(pairs, chosen)
    return LabelledSlice(users, candidates, chosen_ones, wanted, histories.lengths, part.past)


def scale_of(judged: LabelledSlice, scores: np.ndarray) -> ScoreScale | None:
    """What the scores of candidates mean that their trees had not seen."""
    events = judged.past_events[judged.candidates.rows]
    return ScoreScale.of(scores.astype(np.float32), events, judged.chosen)


def ndcg_with_guests(judged: LabelledSlice, scores: np.ndarray) -> np.ndarray:
    """NDCG@10 (n_users,) of scores (r,), and of the guests' scores for who has no past."""
    candidates, past = judged.candidates, judged.past
    guests = judged.past_events[candidates.rows] == 0
    if guests.any():
        n_items = int(max(candidates.items.max(), past.items.max(initial=0))) + 1
        of_guests = GuestScores.of(past, n_items).values[candidates.items]
        scores = np.where(guests, of_guests, scores)
    return judged.ndcg(scores)

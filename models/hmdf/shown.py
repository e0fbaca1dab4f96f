"""Items that answers showed and users did not choose: what the trees learn from in addition.

A candidate that the hybrid finds itself may never have been seen by the user. What an answer showed
was.
"""

from dataclasses import dataclass, replace

import numpy as np

from models.data import NEVER, Histories, Impressions, Interactions, Ints
from models.hmdf.candidates import Candidates
from models.hmdf.ranker import USERS_AT_ONCE, Ranker
from models.hmdf.slices import Slice

_MOST_OF_A_USER = 50
"""Items that were shown to a user in the time of a slice: the last ones."""


@dataclass(frozen=True)
class NotChosen:
    """Pairs of a user and an item that was shown and not chosen; each pair once, sorted by user.

    Attributes:
        users: (n,) dense user index.
        items: (n,) dense item index.
    """

    users: Ints
    items: Ints

    @staticmethod
    def of(
        impressions: Impressions, part: Slice, judged_past: Interactions, n_users: int
    ) -> "NotChosen":
        """What was shown in the time of a slice, and not acted on as far as the trees may know.

        For each user, the time of a slice begins after the last event of its past, and ends with
        the last of its labels. Items that nobody had chosen before are left out, as the trees do
        not rank them (see `models.hmdf.newcomers`).

        Args:
            impressions: of the dataset.
            part: a slice of time.
            judged_past: the past of the slice that judges. Trees that it judges may not know who
                acted on an item later, except by the labels of their own slice.
            n_users: of the dataset.
        """
        since, until = part.past.newest(n_users), part.labels.newest(n_users)
        known = impressions.known_at(np.maximum(until, judged_past.newest(n_users)))
        is_ranked = part.candidates.copy()
        is_ranked[np.bincount(part.past.items, minlength=len(is_ranked)) == 0] = False
        return _last_of_each(
            known.take(
                (since[known.users] < known.timestamps)
                & (known.timestamps <= until[known.users])
                & (known.acted_at == NEVER)
                & is_ranked[known.items]
            )
        )

    def candidates(self, ranker: Ranker, part: Slice, users: Ints, found: Candidates) -> Candidates:
        """Those items of `users` (n,) that the ranker does not find itself, with their features.

        They are compared with what the ranker finds, as an app's own items are when it answers.

        Args:
            ranker: fitted on the past of the slice.
            part: the slice.
            users: dense user index, ascending.
            found: what the ranker finds for these users.
        """
        n_items = len(part.candidates)
        mine = np.isin(self.users, users)
        rows, items = np.searchsorted(users, self.users[mine]), self.items[mine]
        pairs = rows * n_items + items
        further = ~np.isin(pairs, found.rows.astype(np.int64) * n_items + found.items)
        rows, items, pairs = rows[further], items[further], pairs[further]
        asked, counts = np.unique(rows, return_counts=True)
        required = _padded(items, counts)
        histories = Histories.of(part.past, users[asked])
        blocks = [found.at(np.zeros(0, dtype=np.int64))]
        for start in range(0, len(asked), USERS_AT_ONCE):
            stop = start + USERS_AT_ONCE
            block = ranker.candidates(
                histories.rows(start, stop), part.candidates, required[start:stop]
            )
            block = replace(block, rows=asked[start:stop][block.rows].astype(np.int32))
            shown = np.isin(block.rows.astype(np.int64) * n_items + block.items, pairs)
            blocks.append(block.at(shown))
        return Candidates.together(blocks)


def _last_of_each(shown: Impressions) -> NotChosen:
    """Each pair once, and of each user those that were shown last."""
    newest_first = shown.take(np.lexsort((shown.items, -shown.timestamps, shown.users)))
    pairs = np.stack([newest_first.users, newest_first.items], axis=1)
    _, first = np.unique(pairs, axis=0, return_index=True)
    once = newest_first.take(np.sort(first))
    begins = np.searchsorted(once.users, once.users)
    last = once.take(np.arange(len(once)) - begins < _MOST_OF_A_USER)
    return NotChosen(last.users, last.items)


def _padded(items: Ints, counts: np.ndarray) -> Ints:
    """Items of users one after the other as rows (n_users, k); -1 behind a user's last one."""
    width = int(counts.max(initial=0))
    rows = np.full((len(counts), width), -1, dtype=np.int32)
    rows[np.arange(width) < counts[:, None]] = items
    return rows

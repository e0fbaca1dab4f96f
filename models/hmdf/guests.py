"""Users without a history get recent popularity; its half-life served the newest users best.

Trees that learn from users with a past have never seen anyone without one.
"""

from dataclasses import dataclass

import numpy as np

from models.data import Floats, Interactions, Ints
from models.metrics import ndcg

_HALF_LIVES = (30.0, 90.0, 180.0, 365.0, 730.0, np.inf)
_SHARE, _FEWEST, _MOST = 0.1, 20, 500
_CUTOFF = 10
_DAY = 86_400_000_000


@dataclass(frozen=True)
class GuestScores:
    """Scores of items for someone without a history.

    Attributes:
        values: (n_items,) log(1 + events), an event counting half after each half-life.
    """

    values: Floats

    @staticmethod
    def of(events: Interactions, n_items: int) -> "GuestScores":
        """The half-life that would have served the newest tenth of the users, at most 500, best.

        Each is judged by the NDCG@10 of all they chose, ranked by what others had done before they
        came.

        Args:
            events: what is known, sorted by user, then time.
            n_items: size of the item vocabulary.
        """
        half_life = chosen_half_life(events, n_items)
        now = int(events.timestamps.max(initial=0)) + 1
        values = np.log1p(_counts(events, n_items, now, half_life))
        return GuestScores(values.astype(np.float32))


def chosen_half_life(events: Interactions, n_items: int) -> float:
    """In days what served the newest users best; infinite where all events count alike."""
    figures = [_judged(events, n_items, half_life) for half_life in _HALF_LIVES]
    return _HALF_LIVES[int(np.argmax(figures))]


def _judged(events: Interactions, n_items: int, half_life: float) -> float:
    """Mean NDCG@10 of the newest users, each shown what was popular when they came."""
    users, first, sizes = np.unique(events.users, return_index=True, return_counts=True)
    begins = events.timestamps[first]
    newest = np.argsort(begins, kind="stable")[-max(_FEWEST, int(_SHARE * len(users))) :][-_MOST:]
    order = np.argsort(events.timestamps, kind="stable")
    times, items = events.timestamps[order], events.items[order]
    # A common factor changes no order, so that one weight an event serves every instant.
    weights = np.exp2((times - times[-1:]) / _DAY / half_life)
    counts, counted, figures = np.zeros(n_items), 0, []
    # From the one who came first on, so that each event is counted once.
    for user in newest:
        until = int(np.searchsorted(times, begins[user]))
        counts += np.bincount(items[counted:until], weights[counted:until], minlength=n_items)
        counted = until
        chosen = np.unique(events.items[first[user] : first[user] + sizes[user]])
        figures.append(_ndcg_of_best(counts, chosen))
    return float(np.mean(figures)) if figures else 0.0


def _ndcg_of_best(counts: np.ndarray, chosen: Ints) -> float:
    """NDCG@10 of the items of the largest counts (n_items,), for who chose these (c,)."""
    best = np.argpartition(-counts, min(_CUTOFF, len(counts) - 1))[:_CUTOFF]
    best = best[np.lexsort((best, -counts[best]))]
    hits = (np.isin(best, chosen) & (counts[best] > 0))[None]
    return float(ndcg(hits, np.array([len(chosen)]), _CUTOFF)[0])


def _counts(events: Interactions, n_items: int, now: int, half_life: float) -> np.ndarray:
    """Events of each item (n_items,) before `now`, in UTC microseconds, the older the less."""
    before = events.timestamps < now
    ages = (now - events.timestamps[before]) / _DAY
    return np.bincount(events.items[before], np.exp2(-ages / half_life), minlength=n_items)

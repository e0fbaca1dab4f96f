"""What a user did: the lake's events and, after them, what the apps reported since."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossmodal.event_log import SIGNS_OF_INTEREST, LoggedEvent
from models.data import Floats, Histories, Ints
from serving.champion import Champion

HIDE = "hide"


@dataclass(frozen=True)
class UserState:
    """One user as an answer needs them.

    Attributes:
        history: one row: the signs of interest on items that the champion knows, oldest first.
        seen: (n,) dense indexes of everything the user had to do with, impressions aside.
        hidden: (h,) dense indexes of what the user does not want to see.
    """

    history: Histories
    seen: Ints
    hidden: Ints


def user_state(champion: Champion, user_id: str | None, logged: Sequence[LoggedEvent]) -> UserState:
    """The state of a user.

    Args:
        champion: in whose indexes the answer is made.
        user_id: a pseudonym; None for someone without an account.
        logged: the user's events in the log, in their order.
    """
    known = _from_lake(champion, user_id)
    if not logged:
        return UserState(known, np.unique(known.items), np.zeros(0, dtype=np.int32))
    items = champion.log.item_ids.indexes([event.item_id for event in logged])
    types = np.array([event.event_type for event in logged], dtype=object)
    values = np.array(
        [champion.scale.value(event.event_type, event.value) for event in logged], dtype=np.float32
    )
    times = np.array([event.event_timestamp for event in logged], dtype=np.int64)
    signs = np.isin(types, list(SIGNS_OF_INTEREST)) & (items >= 0) & (values > 0)
    signs &= ~_already_in(known, items, times)
    history = _one_row(
        np.concatenate([known.items, items[signs]]),
        np.concatenate([known.values, values[signs]]),
        np.concatenate([known.timestamps, times[signs]]),
        int(known.users[0]),
    )
    touched = items[(types != "impression") & (items >= 0)]
    hidden = items[(types == HIDE) & (items >= 0)]
    seen = np.unique(np.concatenate([known.items, touched])).astype(np.int32)
    return UserState(history, seen, np.unique(hidden).astype(np.int32))


def guest_history(champion: Champion, items: Ints, values: Sequence[float | None]) -> Histories:
    """One row of what someone without an account did, oldest first.

    Args:
        champion: in whose indexes the items are.
        items: (n,) dense indexes.
        values: (n,) strengths; the middle of the lake's events where there is none.
    """
    middle = champion.scale.middle
    told = np.array([middle if value is None else value for value in values], dtype=np.float32)
    # Without times the events follow one another, the last one now.
    now = int(champion.log.events.timestamps.max(initial=0)) + len(items)
    return _one_row(items, told, now - np.arange(len(items), dtype=np.int64)[::-1], -1)


def _from_lake(champion: Champion, user_id: str | None) -> Histories:
    index = -1 if user_id is None else champion.log.user_ids.index_of.get(user_id, -1)
    if index < 0:
        return Histories.empty()
    return Histories.of(champion.log.events, np.array([index], dtype=np.int32))


def _already_in(known: Histories, items: Ints, times: np.ndarray) -> np.ndarray:
    """Which reported events (n,) a run has taken into the lake since: they would count twice."""
    taken = set(zip(known.items.tolist(), known.timestamps.tolist(), strict=True))
    reported = zip(items.tolist(), times.tolist(), strict=True)
    return np.array([pair in taken for pair in reported], dtype=bool)


def _one_row(items: Ints, values: Floats, times: np.ndarray, user: int) -> Histories:
    order = np.argsort(times, kind="stable")
    return Histories(
        np.array([0, len(items)], dtype=np.int64),
        items[order].astype(np.int32),
        values[order].astype(np.float32),
        times[order],
        np.array([user], dtype=np.int32),
    )

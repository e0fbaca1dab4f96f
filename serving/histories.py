"""What a user did: the lake's events and, after them, what the apps reported since."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossmodal.event_log import SIGNS_OF_INTEREST, UNDONE, LoggedEvent
from models.data import Bools, Floats, Histories, Ints, Longs
from serving.champion import Champion

HIDE = "hide"
_NOTHING = np.zeros(0, dtype=np.int32)


@dataclass(frozen=True)
class UserState:
    """One user as an answer needs them.

    Attributes:
        history: one row: the signs of interest on items that the champion knows, oldest first,
            without those of items that the user no longer wants.
        seen: (n,) dense indexes of everything the user had to do with, impressions aside.
        hidden: (h,) dense indexes of what the user has hidden and did not want again since.
    """

    history: Histories
    seen: Ints
    hidden: Ints


def user_state(champion: Champion, user_id: str | None, acts: Sequence[LoggedEvent]) -> UserState:
    """The state of a user.

    The newest act for or against an item decides: after a hide, or a value of 0 or less, the item
    is no part of the history until the user wants it again. An act that was undone does not count,
    even while the lake still has it.

    Args:
        champion: in whose indexes the answer is made.
        user_id: a pseudonym; None for someone without an account.
        acts: those of the user in the log, in its order, without impressions, and those undone
            since the lake was read.
    """
    undone = [act for act in acts if act.event_type == UNDONE]
    done = [act for act in acts if act.event_type != UNDONE]
    known = _less_undone(_from_lake(champion, user_id), champion, undone)
    if not done:
        return UserState(known, np.unique(known.items), _NOTHING)
    logged = _Acts.of(champion, done)
    # Events that a run has taken into the lake since would count twice.
    new = logged.wants & ~_among(logged.items, logged.times, known.items, known.timestamps)
    history = _one_row(
        np.concatenate([known.items, logged.items[new]]),
        np.concatenate([known.values, logged.values[new]]),
        np.concatenate([known.timestamps, logged.times[new]]),
        int(known.users[0]),
        _refused_of_all(known, logged, logged.refuses),
    )
    everything = np.concatenate([known.items, logged.items])
    seen = np.unique(everything[everything >= 0]).astype(np.int32)
    return UserState(history, seen, _refused_of_all(known, logged, logged.hides))


@dataclass(frozen=True)
class _Acts:
    """What one user did according to the log, in its order.

    Attributes:
        items: (n,) dense indexes; -1 for an item that the champion does not know.
        values: (n,) on the scale of the lake's events.
        times: (n,) UTC microseconds.
        wants: (n,) which acts say that the user wants an item that the champion knows.
        refuses: (n,) which say that the user does not.
        hides: (n,) which of those hide the item.
    """

    items: Ints
    values: Floats
    times: Longs
    wants: Bools
    refuses: Bools
    hides: Bools

    @staticmethod
    def of(champion: Champion, acts: Sequence[LoggedEvent]) -> "_Acts":
        """The acts in a champion's indexes."""
        items = champion.log.item_ids.indexes([act.item_id for act in acts])
        types = np.array([act.event_type for act in acts], dtype=object)
        values = np.array(
            [champion.scale.value(act.event_type, act.value) for act in acts], dtype=np.float32
        )
        times = np.array([act.event_timestamp for act in acts], dtype=np.int64)
        signs = np.isin(types, list(SIGNS_OF_INTEREST)) & (items >= 0)
        hides = (types == HIDE) & (items >= 0)
        return _Acts(
            items, values, times, signs & (values > 0), signs & (values <= 0) | hides, hides
        )


def _refused_of_all(known: Histories, logged: _Acts, refusing: Bools) -> Ints:
    """The items that a user refused after they last wanted them, by lake and log together.

    Args:
        known: one row of the lake's events, all of which want their item.
        logged: what the log has of the user.
        refusing: (n,) which of the logged acts count as refusals.
    """
    order = np.argsort(np.concatenate([known.timestamps, logged.times]), kind="stable")
    in_lake = np.ones(len(known.items), dtype=bool)
    return _refused(
        np.concatenate([known.items, logged.items])[order],
        np.concatenate([in_lake, logged.wants])[order],
        np.concatenate([~in_lake, refusing])[order],
    )


def guest_history(champion: Champion, items: Ints, values: Sequence[float | None]) -> Histories:
    """One row of what someone without an account did, oldest first.

    What the newest value of an item, of 0 or less, says no to is no part of it.

    Args:
        champion: in whose indexes the items are.
        items: (n,) dense indexes.
        values: (n,) strengths; the middle of the lake's events where there is none.
    """
    middle = champion.scale.middle
    strengths = np.array([middle if value is None else value for value in values], dtype=np.float32)
    yes = strengths > 0
    # Without times the events follow one another, the last one now.
    now = int(champion.log.events.timestamps.max(initial=0)) + len(items)
    times = now - np.arange(len(items), dtype=np.int64)[::-1]
    return _one_row(items[yes], strengths[yes], times[yes], -1, _refused(items, yes, ~yes))


def _refused(items: Ints, wanted: Bools, refused: Bools) -> Ints:
    """The items whose newest refusal is newer than the newest act that wants them.

    Args:
        items: (n,) of acts, the oldest first.
        wanted: (n,) which of the acts say yes.
        refused: (n,) which say no.
    """
    distinct, place = np.unique(items, return_inverse=True)
    last_wanted, last_refused = np.full((2, len(distinct)), -1)
    rank = np.arange(len(items))
    np.maximum.at(last_wanted, place[wanted], rank[wanted])
    np.maximum.at(last_refused, place[refused], rank[refused])
    refused_items: Ints = distinct[last_refused > last_wanted].astype(np.int32)
    return refused_items


def _from_lake(champion: Champion, user_id: str | None) -> Histories:
    index = -1 if user_id is None else champion.log.user_ids.index_of.get(user_id, -1)
    if index < 0:
        return Histories.empty()
    return Histories.of(champion.log.events, np.array([index], dtype=np.int32))


def _less_undone(known: Histories, champion: Champion, undone: Sequence[LoggedEvent]) -> Histories:
    """What the lake knows of a user less what they have undone since.

    One event of that item and instant goes for each that was undone: another, such as one of the
    source's own files, is not the user's to undo.
    """
    if not undone or not len(known.items):
        return known
    items = champion.log.item_ids.indexes([event.item_id for event in undone])
    times = np.array([event.event_timestamp for event in undone], dtype=np.int64)
    n_undone = Counter(zip(items.tolist(), times.tolist(), strict=True))
    stays = ~_among(known.items, known.timestamps, items, times)
    # Each undone report takes one event away; further ones of that pair stay.
    for place in np.flatnonzero(~stays):
        pair = int(known.items[place]), int(known.timestamps[place])
        stays[place] = n_undone[pair] == 0
        n_undone[pair] = max(n_undone[pair] - 1, 0)
    return Histories(
        np.array([0, stays.sum()], dtype=np.int64),
        known.items[stays],
        known.values[stays],
        known.timestamps[stays],
        known.users,
    )


def _among(items: Ints, times: np.ndarray, others: Ints, their_times: np.ndarray) -> np.ndarray:
    """Which events (n,) share their item and instant with some other event."""
    taken = set(zip(others.tolist(), their_times.tolist(), strict=True))
    pairs = zip(items.tolist(), times.tolist(), strict=True)
    return np.array([pair in taken for pair in pairs], dtype=bool)


def _one_row(items: Ints, values: Floats, times: np.ndarray, user: int, without: Ints) -> Histories:
    order = np.argsort(times, kind="stable")
    order = order[~np.isin(items[order], without)]
    return Histories(
        np.array([0, len(order)], dtype=np.int64),
        items[order].astype(np.int32),
        values[order].astype(np.float32),
        times[order],
        np.array([user], dtype=np.int32),
    )

"""Candidates of many users, one after the other, in the same few arrays, compiled."""

from typing import NamedTuple

import numpy as np

from models.compiling import compiled
from models.data import Bools, Floats, Ints, Longs
from models.hmdf._link_kernels import Doubles, LinkTable, Sums, add_past, clear, gather
from models.hmdf._ranking_kernels import Best, offer


class Asked(NamedTuple):
    """Whose candidates are wanted, and which items may be some.

    Attributes:
        past: (n_events,) items of the histories, oldest first.
        offsets: (n_users + 1,) where each history begins.
        now: (n_users,) the day of each user's newest event.
        scores: (m, n_users, n_items) of models; -inf where there is none.
        found_by: (f,) the sums whose best items are candidates.
        ties: (n_items,) the place of each item among those of equal score.
        allowed: (n_items,) what may be shown at all.
        given: (n_users, k) items that are candidates whatever else holds; -1 for none.
        most: items taken by each score.
    """

    past: Ints
    offsets: Longs
    now: Doubles
    scores: Floats
    found_by: Longs
    ties: Ints
    allowed: Bools
    given: Ints
    most: int


class Found(NamedTuple):
    """Room for what is found; user by user, in the order of tie breaks.

    Attributes:
        rows: (r,) user row.
        items: (r,) dense item index.
        scores: (r, f + m) of each score by which they were found; -inf where it has none.
        sums: (r, s) every sum over the history.
    """

    rows: Ints
    items: Ints
    scores: Floats
    sums: Floats


class Marks(NamedTuple):
    """Which user an item was last hidden from, or chosen for: (n_items,) each."""

    hidden: Longs
    chosen: Longs


@compiled
def find(table: LinkTable, asked: Asked, room: Sums, marks: Marks, best: Best, out: Found) -> int:
    """Fills `out`, and says how many rows of it."""
    stop = 0
    for user in range(len(asked.offsets) - 1):
        past = asked.past[asked.offsets[user] : asked.offsets[user + 1]]
        for item in past:
            marks.hidden[item] = user
        add_past(table, past, asked.now[user], room)
        start = stop
        for column in asked.found_by:
            size = _best_sums(table, asked, column, user, room, marks, best)
            stop = _choose(best.items[:size], user, marks, out, stop)
        for model in range(len(asked.scores)):
            size = _best_scores(asked, asked.scores[model, user], user, marks, best)
            stop = _choose(best.items[:size], user, marks, out, stop)
        given = asked.given[user]
        stop = _choose(given[given >= 0], user, marks, out, stop)
        own = out.items[start:stop]
        own[:] = own[np.argsort(asked.ties[own])]
        for place in range(start, stop):
            _describe(table, asked, user, room, out, place)
        clear(room)
    return stop


@compiled
def _best_sums(
    table: LinkTable, asked: Asked, column: int, user: int, room: Sums, marks: Marks, best: Best
) -> int:
    """The best items by one sum; no past item says anything of an item whose sum is 0."""
    windows = table.lasting.shape[1]
    kind = min(column // windows, table.kinds)
    sums = room.values[kind, :, column - kind * windows]
    size = 0
    for item in room.met[kind, : room.counts[kind]]:
        score = sums[item]
        if score == 0 or (size == asked.most and score < best.scores[0]):
            continue
        if asked.allowed[item] and marks.hidden[item] != user:
            size = offer(best, size, score, asked.ties[item], item)
    return size


@compiled
def _best_scores(asked: Asked, scores: Floats, user: int, marks: Marks, best: Best) -> int:
    """The best items by one model; none where all are alike to it."""
    if len(scores) == 0 or scores.min() == scores.max():
        return 0
    size = 0
    for item in range(len(scores)):
        score = scores[item]
        if size == asked.most and score < best.scores[0]:
            continue
        if score > -np.inf and asked.allowed[item] and marks.hidden[item] != user:
            size = offer(best, size, score, asked.ties[item], item)
    return size


@compiled
def _choose(items: Ints, user: int, marks: Marks, out: Found, stop: int) -> int:
    """Adds the items that are not yet among the user's candidates."""
    for item in items:
        if marks.chosen[item] != user:
            marks.chosen[item] = user
            out.items[stop] = item
            stop += 1
    return stop


@compiled
def _describe(
    table: LinkTable, asked: Asked, user: int, room: Sums, out: Found, place: int
) -> None:
    """Fills in the row and the scores of one candidate."""
    item, n_sums = out.items[place], len(asked.found_by)
    out.rows[place] = user
    gather(table, room, item, out.sums[place])
    for column in range(n_sums):
        score = out.sums[place, asked.found_by[column]]
        out.scores[place, column] = score if score != 0 else -np.inf
    for model in range(len(asked.scores)):
        out.scores[place, n_sums + model] = asked.scores[model, user, item]

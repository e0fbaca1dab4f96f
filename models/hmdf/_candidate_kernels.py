"""Sums over past items, and the candidates they find, compiled: all in one module.

Machine code that is kept knows of changes in its own file alone, so that what calls each other must
lie in one.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiling import compiled
from models.data import Bools, Floats, Ints, Longs

Doubles = NDArray[np.float64]
_NEW_EVENTS = 10
"""Newest events of a history, all of whose weights count."""

_OF_OLD = 50
"""Weights of each event before them that count, the largest ones."""

_EVERY = 1 << 30


class LinkTable(NamedTuple):
    """Weights of several kinds of links row by row, and how a history is read to sum them.

    Attributes:
        n_items: size of the item vocabulary.
        kinds: lasting kinds. Row k · n_items + i is item i in kind k; after them, period by period,
            come the contemporary weights.
        starts: (rows + 1,) where each row begins.
        columns: item of each weight.
        values: the weights.
        lasting: (longest, w) how much the newest events of a history, the newest first, count in
            each of w windows.
        changing: (longest, v) the same in the v windows of the contemporary weights.
        middles: (periods,) in days.
        memories: (m,) days in which a period that is so far from now counts e times less.
    """

    n_items: int
    kinds: int
    starts: Longs
    columns: Ints
    values: Floats
    lasting: Floats
    changing: Floats
    middles: Doubles
    memories: Doubles


class Sums(NamedTuple):
    """Room for the sums of one user, which is cleared for the next.

    Attributes:
        values: (kinds + 1, n_items, w) the sums in each window; those of the contemporary weights
            are the last. An item is met by a kind where the sum in its longest window is not 0.
        met: (kinds + 1, n_items) the items met by each kind, in the order in which they were.
        counts: (kinds + 1,) how many.
    """

    values: Floats
    met: Ints
    counts: Longs


@compiled
def add_past(table: LinkTable, past: Ints, now: float, room: Sums) -> None:
    """Sums the links of one user's past items.

    Args:
        table: the links.
        past: (n_events,) items of the history, oldest first.
        now: the day of the newest event.
        room: empty; is filled.
    """
    for kind in range(table.kinds):
        for rank in range(min(len(past), len(table.lasting))):
            row = kind * table.n_items + past[len(past) - 1 - rank]
            _add_row(table, row, table.lasting[rank], kind, _read(rank), room)
    near = _nearness(table, now)
    weights = np.empty(table.changing.shape[1] * near.shape[1], dtype=np.float32)
    for rank in range(min(len(past), len(table.changing))):
        item = past[len(past) - 1 - rank]
        for period in range(len(near)):
            row = (table.kinds + period) * table.n_items + item
            _multiply(table.changing[rank], near[period], weights)
            _add_row(table, row, weights, table.kinds, _read(rank), room)


@compiled
def gather(table: LinkTable, room: Sums, item: int, out: Floats) -> None:
    """Every sum (s,) of one item into `out`: kind by kind, the contemporary ones last."""
    windows = table.lasting.shape[1]
    for column in range(len(out)):
        kind = min(column // windows, table.kinds)
        out[column] = room.values[kind, item, column - kind * windows]


@compiled
def clear(room: Sums) -> None:
    """Empties the room."""
    for kind in range(len(room.counts)):
        for item in room.met[kind, : room.counts[kind]]:
            room.values[kind, item] = 0
        room.counts[kind] = 0


@compiled
def add_by_event(
    table: LinkTable, past: Ints, now: float, place: Ints, counts: Floats, out: Floats
) -> None:
    """Adds what each past event says of some items to a column of its own.

    Args:
        table: the links.
        past: (n_events,) items of the history, oldest first.
        now: the day of the newest event.
        place: (n_items,) the row of `out` that is an item's; -1 for an item that is not asked for.
        counts: (m, s) how much each sum counts for each item.
        out: (m, n_events) is added to.
    """
    windows = table.lasting.shape[1]
    near = _nearness(table, now)
    first = table.kinds * windows
    weights = np.empty(table.changing.shape[1] * near.shape[1], dtype=np.float32)
    for rank in range(min(len(past), len(table.lasting))):
        event = len(past) - 1 - rank
        for kind in range(table.kinds):
            row = kind * table.n_items + past[event]
            own, begin = table.lasting[rank], kind * windows
            _add_of_event(table, row, own, begin, _read(rank), place, counts, out, event)
        if rank < len(table.changing):
            for period in range(len(near)):
                row = (table.kinds + period) * table.n_items + past[event]
                _multiply(table.changing[rank], near[period], weights)
                _add_of_event(table, row, weights, first, _read(rank), place, counts, out, event)


@compiled
def _nearness(table: LinkTable, now: float) -> Floats:
    """How much each period counts now, in each memory (periods, m)."""
    days = np.abs(now - table.middles)
    found = np.empty((len(days), len(table.memories)), dtype=np.float32)
    for memory in range(len(table.memories)):
        found[:, memory] = np.exp(-days / table.memories[memory])
    return found


@compiled
def _multiply(windows: Floats, near: Floats, out: Floats) -> None:
    """Each window's weight times each memory's into out (v · m,)."""
    for window in range(len(windows)):
        for memory in range(len(near)):
            out[window * len(near) + memory] = windows[window] * near[memory]


@compiled
def _read(rank: int) -> int:
    """How many weights of an event count, of the newest events all: old ones say little each."""
    return _EVERY if rank < _NEW_EVENTS else _OF_OLD


@compiled
def _add_row(table: LinkTable, row: int, weights: Floats, kind: int, most: int, room: Sums) -> None:
    """Adds the first `most` of a row of weights to the sums of a kind."""
    values, longest = room.values[kind], len(weights) - 1
    begin = 0
    while begin < longest and weights[begin] == 0:
        begin += 1
    count = room.counts[kind]
    first = table.starts[row]
    for entry in range(first, min(first + most, table.starts[row + 1])):
        item, value = table.columns[entry], table.values[entry]
        is_new = values[item, longest] == 0
        for window in range(begin, longest + 1):
            values[item, window] += weights[window] * value
        # A sum may be too small for a float, or fall back to 0: then the item is met again.
        if is_new and values[item, longest] != 0 and count < room.met.shape[1]:
            room.met[kind, count] = item
            count += 1
    room.counts[kind] = count


@compiled
def _add_of_event(
    table: LinkTable,
    row: int,
    weights: Floats,
    first: int,
    most: int,
    place: Ints,
    counts: Floats,
    out: Floats,
    event: int,
) -> None:
    begin = table.starts[row]
    for entry in range(begin, min(begin + most, table.starts[row + 1])):
        asked = place[table.columns[entry]]
        if asked >= 0:
            for window in range(len(weights)):
                weight = weights[window] * counts[asked, first + window]
                out[asked, event] += weight * table.values[entry]


class Best(NamedTuple):
    """The best items met so far, as a heap whose first one is the worst.

    Attributes:
        scores: (most,) their scores.
        places: (most,) their places among equal scores, the first of which comes first.
        items: (most,) dense item indexes.
    """

    scores: Floats
    places: Ints
    items: Ints


@compiled
def offer(best: Best, size: int, score: float, place: int, item: int) -> int:
    """Takes an item in where it is among the best; how many there are then.

    Args:
        best: is changed.
        size: how many there are.
        score: of the item.
        place: among equal scores.
        item: dense index.
    """
    scores, places = best.scores, best.places
    if size < len(scores):
        hole = size
        while hole > 0:
            above = (hole - 1) // 2
            if scores[above] < score or (scores[above] == score and places[above] > place):
                break
            _move(best, above, hole)
            hole = above
        scores[hole], places[hole], best.items[hole] = score, place, item
        return size + 1
    if score < scores[0] or (score == scores[0] and place > places[0]):
        return size
    hole, below = 0, 1
    while below < size:
        right = below + 1
        if right < size and (
            scores[right] < scores[below]
            or (scores[right] == scores[below] and places[right] > places[below])
        ):
            below = right
        if score < scores[below] or (score == scores[below] and place > places[below]):
            break
        _move(best, below, hole)
        hole, below = below, 2 * below + 1
    scores[hole], places[hole], best.items[hole] = score, place, item
    return size


@compiled
def _move(best: Best, source: int, target: int) -> None:
    best.scores[target] = best.scores[source]
    best.places[target] = best.places[source]
    best.items[target] = best.items[source]


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

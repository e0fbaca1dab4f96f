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

_SPARSE = 4
"""Above one item in so many, all sums are cleared, and not one by one."""


class LinkTable(NamedTuple):
    """Weights of several kinds of links row by row, and how a history is read to sum them.

    Attributes:
        n_items: size of the item vocabulary.
        kinds: lasting kinds. Row k · n_items + i is item i in kind k; after them, period by period,
            come the contemporary weights.
        starts: (rows + 1,) where each row begins.
        columns: item of each weight.
        values: the weights.
        read: (longest,) how many weights of each of the newest events count, the newest first.
        lasting: (longest, w) how much these events count in each of w windows; 0 after its end. The
            last window is the longest: what no event of it speaks for has no sum in another either.
        changing: (longest, v) the same in the v windows of the contemporary weights.
        middles: (periods,) in days.
        memories: (m,) days in which a period that is so far from now counts e times less; the last
            are the most.
    """

    n_items: int
    kinds: int
    starts: Longs
    columns: Ints
    values: Floats
    read: Longs
    lasting: Floats
    changing: Floats
    middles: Doubles
    memories: Doubles


class Sums(NamedTuple):
    """Room for the sums of one user, which is cleared for the next.

    Attributes:
        values: (kinds + 1, at least w and v m, n_items) the sums in each window; those of the
            contemporary weights, in each window and memory, are the last. One window lies apart
            from the next, so that the nearest caches hold it.
        met: (kinds + 1, n_items + 1) the items whose sum in a kind's longest window is not 0, in
            the order in which they were met. The last place takes what there is no room for.
        counts: (kinds + 1,) how many.
        shown: (n_items,) what may be shown to the user, and was not had.
        chosen: (n_items,) the user's candidates so far.
    """

    values: Floats
    met: Ints
    counts: Longs
    shown: Bools
    chosen: Bools


@compiled
def add_past(table: LinkTable, past: Ints, now: float, room: Sums) -> None:
    """Sums the links of one user's past items.

    Args:
        table: the links.
        past: (n_events,) items of the history, oldest first.
        now: the day of the newest event.
        room: empty; is filled.
    """
    columns, values = table.columns, table.values
    longest = table.lasting.shape[1] - 1
    for kind in range(table.kinds):
        met, count = room.met[kind], 0
        for window in range(longest + 1):
            sums = room.values[kind, window]
            for rank in range(min(len(past), len(table.lasting))):
                weight = table.lasting[rank, window]
                if weight == 0:
                    break
                row = kind * table.n_items + past[len(past) - 1 - rank]
                first, stop = _span(table, row, rank)
                if window < longest:
                    _add(columns, values, first, stop, weight, sums)
                else:
                    count = _add_and_meet(columns, values, first, stop, weight, sums, met, count)
        room.counts[kind] = count
    _add_changing(table, past, now, room)


@compiled
def _add_changing(table: LinkTable, past: Ints, now: float, room: Sums) -> None:
    """Sums the contemporary weights."""
    columns, values, near = table.columns, table.values, nearness(table, now)
    memories = near.shape[1]
    longest = table.changing.shape[1] * memories - 1
    for place in range(longest + 1):
        window, memory = divmod(place, memories)
        sums, met, count = room.values[table.kinds, place], room.met[table.kinds], 0
        for rank in range(min(len(past), len(table.changing))):
            if table.changing[rank, window] == 0:
                break
            item = past[len(past) - 1 - rank]
            for period in range(len(near)):
                first, stop = _span(table, (table.kinds + period) * table.n_items + item, rank)
                if first == stop:
                    continue
                weight = table.changing[rank, window] * near[period, memory]
                if place < longest:
                    _add(columns, values, first, stop, weight, sums)
                else:
                    count = _add_and_meet(columns, values, first, stop, weight, sums, met, count)
        room.counts[table.kinds] = count


@compiled
def _span(table: LinkTable, row: int, rank: int) -> tuple[int, int]:
    """From where to where in a row the weights count for the event of a rank."""
    first = table.starts[row]
    return first, min(first + table.read[rank], table.starts[row + 1])


# The two below take whole arrays, since a slice is counted by numba each time it is passed on, and
# indexes without a sign, since numba would else ask each time whether they are below 0.
@compiled
def _add(columns: Ints, values: Floats, first: int, stop: int, weight: float, sums: Floats) -> None:
    """Adds the weights from `first` to `stop` to a sum of each item."""
    for entry in range(np.uint64(first), np.uint64(stop)):
        sums[np.uint64(columns[entry])] += weight * values[entry]


@compiled
def _add_and_meet(
    columns: Ints,
    values: Floats,
    first: int,
    stop: int,
    weight: float,
    sums: Floats,
    met: Ints,
    count: int,
) -> int:
    """The same, and whose sum is no longer 0 is met; without a branch, since nobody could guess."""
    last = len(met) - 1
    for entry in range(np.uint64(first), np.uint64(stop)):
        item = np.uint64(columns[entry])
        before = sums[item]
        after = before + weight * values[entry]
        sums[item] = after
        met[min(count, last)] = item
        # A sum may be too small for a float, or fall back to 0: then the item is met again.
        count += (before == 0) & (after != 0)
    return min(count, last)


@compiled
def gather(table: LinkTable, room: Sums, item: int, out: Floats) -> None:
    """Every sum (s,) of one item into `out`: kind by kind, the contemporary ones last."""
    windows = table.lasting.shape[1]
    for kind in range(table.kinds):
        for window in range(windows):
            out[kind * windows + window] = room.values[kind, window, item]
    first = table.kinds * windows
    for column in range(len(out) - first):
        out[first + column] = room.values[table.kinds, column, item]


@compiled
def clear(room: Sums) -> None:
    """Empties the room."""
    for kind in range(len(room.counts)):
        is_sparse = room.counts[kind] * _SPARSE < room.values.shape[2]
        for window in range(room.values.shape[1]):
            sums = room.values[kind, window]
            if is_sparse:
                for place in range(room.counts[kind]):
                    sums[room.met[kind, place]] = 0
            else:
                sums[:] = 0
        room.counts[kind] = 0


@compiled
def nearness(table: LinkTable, now: float) -> Floats:
    """How much each period counts now, in each memory (periods, m)."""
    days = np.abs(now - table.middles)
    weights = np.empty((len(days), len(table.memories)), dtype=np.float32)
    for memory in range(len(table.memories)):
        weights[:, memory] = np.exp(-days / table.memories[memory])
    return weights


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


@compiled
def find(table: LinkTable, request: Asked, room: Sums, best: Best, out: Found) -> int:
    """Fills `out` and returns the number of rows; the room is empty before and after."""
    stop = 0
    for user in range(len(request.offsets) - 1):
        past = request.past[request.offsets[user] : request.offsets[user + 1]]
        room.shown[:] = request.allowed
        for item in past:
            room.shown[item] = False
        add_past(table, past, request.now[user], room)
        start = stop
        for column in request.found_by:
            size = _best_sums(table, request, column, room, best)
            stop = _choose(best.items[:size], room, out, stop)
        for model in range(len(request.scores)):
            size = _best_scores(request, request.scores[model, user], room, best)
            stop = _choose(best.items[:size], room, out, stop)
        for item in request.given[user]:
            if item >= 0:
                best.items[0] = item
                stop = _choose(best.items[:1], room, out, stop)
        chosen_items = out.items[start:stop]
        chosen_items[:] = chosen_items[np.argsort(request.ties[chosen_items])]
        for place in range(start, stop):
            _describe(table, request, user, room, out, place)
            room.chosen[out.items[place]] = False
        clear(room)
    return stop


@compiled
def _best_sums(table: LinkTable, request: Asked, column: int, room: Sums, best: Best) -> int:
    """The best items by one sum; a sum of 0 means that no past item says anything of the item."""
    windows = table.lasting.shape[1]
    kind = min(column // windows, table.kinds)
    sums, met = room.values[kind, column - kind * windows], room.met[kind]
    size, worst = 0, np.float32(-np.inf)
    for place in range(room.counts[kind]):
        item = met[place]
        score = sums[np.uint64(item)]
        if score >= worst and score != 0 and room.shown[item]:
            size = offer(best, size, score, request.ties[item], item)
            worst = best.scores[0] if size == request.most else worst
    return size


@compiled
def _best_scores(request: Asked, scores: Floats, room: Sums, best: Best) -> int:
    """The best items by one model; none if it scores all alike."""
    size, worst = 0, np.float32(-np.inf)
    differs = False
    for item in range(1, len(scores)):
        differs = scores[item] != scores[0]
        if differs:
            break
    if not differs:
        return size
    for item in range(len(scores)):
        score = scores[item]
        if score >= worst and score > -np.inf and room.shown[item]:
            size = offer(best, size, score, request.ties[item], item)
            worst = best.scores[0] if size == request.most else worst
    return size


@compiled
def _choose(items: Ints, room: Sums, out: Found, stop: int) -> int:
    """Adds the items that are not yet among the user's candidates."""
    for item in items:
        if not room.chosen[item]:
            room.chosen[item] = True
            out.items[stop] = item
            stop += 1
    return stop


@compiled
def _describe(
    table: LinkTable, request: Asked, user: int, room: Sums, out: Found, place: int
) -> None:
    """Fills in the row and the scores of one candidate."""
    item, n_sums = out.items[place], len(request.found_by)
    out.rows[place] = user
    gather(table, room, item, out.sums[place])
    for column in range(n_sums):
        score = out.sums[place, request.found_by[column]]
        out.scores[place, column] = score if score != 0 else -np.inf
    for model in range(len(request.scores)):
        out.scores[place, n_sums + model] = request.scores[model, user, item]

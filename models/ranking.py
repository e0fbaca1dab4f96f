"""The best k of many scores, with one order for equal ones: shared by every model."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from models.data import Bools, Floats, Histories, Ints, Longs
from models.protocol import Ranking


class ScoreError(ValueError):
    """A model returned scores that cannot be ordered."""


def tie_breaks(item_ids: Sequence[str], seed: int) -> Ints:
    """The place (n_items,) of each item in a seeded order by the hash of its id.

    Among equal scores the item with the lower place comes first. Neither the row order nor the id
    itself may decide: low MovieLens ids are the popular ones.
    """
    key = seed.to_bytes(8, "little", signed=True)
    digests = [
        hashlib.blake2b(name.encode(), digest_size=16, key=key).digest() for name in item_ids
    ]
    order = np.argsort(np.array(digests, dtype="S16"), kind="stable")
    places = np.empty(len(digests), dtype=np.int32)
    places[order] = np.arange(len(digests), dtype=np.int32)
    return places


def popular_first(counts: Longs, ties: Ints) -> Ints:
    """The place (n_items,) of each item where equal scores are ordered by how often it was chosen.

    For lists that people see. What a model that counts choices says to someone without any is one
    score for all items; in a test the order of those must not be the popular one.

    Args:
        counts: (n_items,) events of each item.
        ties: (n_items,) of `tie_breaks`, the order of items that were chosen equally often.
    """
    places = np.empty(len(ties), dtype=np.int32)
    places[np.lexsort((ties, -counts))] = np.arange(len(ties), dtype=np.int32)
    return places


def top_k(
    scores: Floats,
    k: int,
    ties: Ints,
    *,
    items: Ints | None = None,
    exclude: Histories | None = None,
) -> Ranking:
    """The exact k best items of each user.

    Args:
        scores: (n_users, m) float32, more is better; -inf where an item cannot be scored.
        k: list length.
        ties: (n_items,) from `tie_breaks`, of the whole vocabulary.
        items: (m,) dense indexes of the scored items; the whole vocabulary by default.
        exclude: items never to show, row by row for the same users.

    Returns:
        A ranking (n_users, k); -1 and -inf where fewer than k items can be ranked.

    Raises:
        ScoreError: a score is NaN.
    """
    columns = np.arange(len(ties), dtype=np.int32) if items is None else items
    _require_order(scores, len(columns))
    if exclude is not None:
        scores = scores.copy()
        scores[_excluded(columns, len(ties), exclude)] = -np.inf
    ranking = Ranking(
        np.full((len(scores), k), -1, dtype=np.int32),
        np.full((len(scores), k), -np.inf, dtype=np.float32),
    )
    if scores.size:
        places = ties if items is None else ties[columns]
        rows, contenders = _contenders(scores, places, min(k, len(columns)))
        order = np.lexsort((places[contenders], -scores[rows, contenders], rows))
        rows, contenders = rows[order], contenders[order]
        ranks = np.arange(len(rows)) - np.searchsorted(rows, rows)
        rows, contenders, ranks = (part[ranks < k] for part in (rows, contenders, ranks))
        ranking.items[rows, ranks] = columns[contenders]
        ranking.scores[rows, ranks] = scores[rows, contenders]
    return ranking


def _contenders(scores: Floats, places: Ints, k: int) -> tuple[Longs, Longs]:
    """Rows, sorted, and columns of a few scores above -inf, with the k best of each row among them.

    The columns are dealt into groups. At least k scores of a row reach the k-th largest of its
    groups' maxima, so nothing below that bound is among the k best, and no row is sorted whole.
    Where very many scores equal the bound, only those with the k lowest places can be. A row in
    which few scores are above -inf needs none of that.
    """
    n_users, m = scores.shape
    there = np.flatnonzero(scores > -np.inf)
    if len(there) <= _CROWD_AN_ITEM * k:
        rows, columns = np.divmod(there, m)
        return rows, columns
    groups = min(m, _GROUPS_AN_ITEM * k)
    dealt = scores[:, : m // groups * groups].reshape(n_users, m // groups, groups)
    bound = np.partition(dealt.max(axis=1), groups - k, axis=1)[:, groups - k, None]
    close = (scores >= bound) & (scores > -np.inf)
    crowded = np.flatnonzero(close.sum(axis=1) > _CROWD_AN_ITEM * k)
    if len(crowded):
        equal = close[crowded] & (scores[crowded] == bound[crowded])
        among = np.where(equal, places, np.iinfo(np.int32).max)
        last = np.partition(among, k - 1, axis=1)[:, k - 1, None]
        close[crowded] &= ~equal | (among <= last)
    rows, columns = np.divmod(np.flatnonzero(close), m)
    return rows, columns


def rank(
    score: Callable[[Histories, Ints | None], Floats],
    users: Histories,
    k: int,
    ties: Ints,
    *,
    items: Ints | None = None,
    exclude: Histories | None = None,
    block: int = 512,
) -> Ranking:
    """The k best items of any number of users, scored a block of users at a time.

    Args:
        score: a model's `score`.
        users: the rows of the result.
        k: list length.
        ties: (n_items,) from `tie_breaks`.
        items: (m,) dense indexes that may be shown; the whole vocabulary by default.
        exclude: items never to show, row by row for the same users.
        block: how many users are scored at once.
    """
    ranking = Ranking(
        np.full((len(users), k), -1, dtype=np.int32),
        np.full((len(users), k), -np.inf, dtype=np.float32),
    )
    for start in range(0, len(users), block):
        stop = start + block
        hidden = None if exclude is None else exclude.rows(start, stop)
        scores = score(users.rows(start, stop), items)
        best = top_k(scores, k, ties, items=items, exclude=hidden)
        ranking.items[start:stop], ranking.scores[start:stop] = best.items, best.scores
    return ranking


def nearest_rows(
    vectors: Floats, query: Floats, k: int, ties: Ints, *, threads: int = 1, block: int = 65_536
) -> Ranking:
    """The exact k rows of a large matrix with the largest products with a vector.

    One block of rows at a time, so that a matrix mapped from a file is read once, in order, and
    only one number per row stays in memory.

    Args:
        vectors: (n, d) float32.
        query: (d,) float32.
        k: list length.
        ties: (n,) from `tie_breaks`.
        threads: that read blocks in parallel; NumPy's own should then be limited to one.
        block: rows of a block.

    Returns:
        A ranking (1, k) of row numbers; -1 and -inf where there are fewer rows than k.
    """

    def of_block(start: int) -> tuple[Ints, Floats]:
        stop = start + block
        ranking = top_k((vectors[start:stop] @ query)[None], k, ties[start:stop])
        there = ranking.items[0] >= 0
        return ranking.items[0][there] + np.int32(start), ranking.scores[0][there]

    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(of_block, range(0, len(vectors), block)))
    best = Ranking(np.full((1, k), -1, dtype=np.int32), np.full((1, k), -np.inf, dtype=np.float32))
    if parts:
        items, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = np.lexsort((ties[items], -scores))[:k]
        best.items[0, : len(order)], best.scores[0, : len(order)] = items[order], scores[order]
    return best


_GROUPS_AN_ITEM = 8
"""Groups of columns for each item of a list: with so many, few of the best share one."""

_CROWD_AN_ITEM = 4
"""Contenders for each item of a list from which on equal ones are distinguished before the sort."""


def _excluded(columns: Ints, n_items: int, exclude: Histories) -> tuple[Longs, Longs]:
    """Rows and columns of the score matrix that `exclude` names."""
    column_of = np.full(n_items, -1, dtype=np.int64)
    column_of[columns] = np.arange(len(columns))
    rows = np.repeat(np.arange(len(exclude)), exclude.lengths)
    known = exclude.items >= 0
    rows, places = rows[known], column_of[exclude.items[known]]
    scored: Bools = places >= 0
    return rows[scored], places[scored]


def _require_order(scores: Floats, columns: int) -> None:
    if scores.shape[1] != columns:
        raise ScoreError(
            f"{scores.shape[1]} scores a user for {columns} items; return one an item."
        )
    if np.isnan(scores).any():
        raise ScoreError("A score is NaN; return -inf for an item that cannot be scored.")

"""What the users did: choices by utility, in time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sources.sample.config import SampleConfig
from sources.sample.tastes import STREAM_EVENTS, Array, Items, Users, random, utility

END = np.datetime64("2026-06-30T00:00:00", "s")
DAYS = 730
START = END - np.timedelta64(DAYS, "D")

_SLICES = 4
_LEAST = 8
_MOST_SHARE = 0.4
_USERS_AT_ONCE = 1000
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Events:
    """Events in parallel arrays (n,), sorted by user, then time.

    Attributes:
        users, items: positions of the user and the item.
        stars: 1 to 5, by utility.
        seconds: since `START`.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    stars: NDArray[np.float32]
    seconds: NDArray[np.int64]


def draw_events(
    config: SampleConfig, items: Items, users: Users, created: NDArray[np.int64]
) -> Events:
    """Every user's choices, none twice, from what was in the catalogue at the time.

    A user's time is cut in slices. In each the next items are the best by utility plus Gumbel
    noise, which is a draw without replacement from the softmax (Kool et al. 2019).

    Args:
        config: sizes and seed.
        items: hidden side of the items.
        users: hidden side of the users, whose taste drifts from slice to slice.
        created: (n_items,) seconds after `START` from which an item could be chosen.
    """
    rng = random(config, STREAM_EVENTS)
    counts = _counts(rng, config, int((~items.silent).sum()))
    starts, spans = _active_time(rng, config.users)
    blocks = []
    for low in range(0, config.users, _USERS_AT_ONCE):
        rows = np.arange(low, min(low + _USERS_AT_ONCE, config.users))
        blocks.append(_choose(rng, items, users, created, rows, counts, starts, spans))
    user, item, stars, seconds = (np.concatenate(part) for part in zip(*blocks, strict=True))
    order = np.lexsort((item, seconds, user))
    return Events(user[order], item[order], stars[order].astype(np.float32), seconds[order])


def _counts(rng: np.random.Generator, config: SampleConfig, choosable: int) -> NDArray[np.int64]:
    """Events a user: a few for everyone, the rest skewed."""
    most = max(1, int(_MOST_SHARE * choosable))
    least = min(_LEAST, max(1, config.events // config.users), most)
    weights = np.exp(0.9 * rng.standard_normal(config.users))
    spare = max(0, config.events - least * config.users)
    counts = np.minimum(least + np.floor(spare * weights / weights.sum()), most)
    return np.asarray(counts.astype(np.int64))


def _active_time(rng: np.random.Generator, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start and length, in seconds, of the time in which each user is there."""
    whole = DAYS * _DAY_SECONDS
    spans = (whole * (0.1 + 0.9 * rng.random(n))).astype(np.int64)
    starts = ((whole - spans) * rng.random(n)).astype(np.int64)
    return starts, spans


def _choose(
    rng: np.random.Generator,
    items: Items,
    users: Users,
    created: NDArray[np.int64],
    rows: NDArray[np.int64],
    counts: NDArray[np.int64],
    starts: NDArray[np.int64],
    spans: NDArray[np.int64],
) -> tuple[NDArray[Any], ...]:
    free = np.tile(~items.silent, (len(rows), 1))
    chosen = []
    for part in range(_SLICES):
        wanted = counts[rows] * (part + 1) // _SLICES - counts[rows] * part // _SLICES
        begins = starts[rows] + spans[rows] * part // _SLICES
        worth = utility(users.at((part + 0.5) / _SLICES)[rows], items)
        noisy = worth + rng.gumbel(size=worth.shape)
        noisy[~(free & (created[None, :] <= begins[:, None]))] = -np.inf
        order = np.argsort(-noisy, axis=1, kind="stable")
        picked = np.arange(order.shape[1])[None, :] < wanted[:, None]
        picked &= np.isfinite(np.take_along_axis(noisy, order, axis=1))
        row, place = np.nonzero(picked)
        item = order[row, place]
        free[row, item] = False
        length = spans[rows][row] // _SLICES
        seconds = begins[row] + (length * rng.random(len(row))).astype(np.int64)
        chosen.append((rows[row], item, _stars(rng, worth[row, item]), seconds))
    return tuple(np.concatenate(part) for part in zip(*chosen, strict=True))


def _stars(rng: np.random.Generator, worth: Array) -> Array:
    return np.clip(np.rint(2.2 + 0.4 * worth + 0.6 * rng.standard_normal(len(worth))), 1, 5)

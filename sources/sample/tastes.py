"""The hidden truth: what items are, what users like, and which modality tells of it.

An item is a vector z of twelve independent standard normals in four blocks. All three modalities
speak of the shared block, each with noise of its own; every other block is carried by one modality
alone. A user's utility is u·z plus the item's popularity, so the squared length of a block of u
is the share of the preference variance that the block carries.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sources.sample.config import SampleConfig

Array = NDArray[np.float64]

BLOCKS = {"shared": slice(0, 3), "text": slice(3, 7), "image": slice(7, 10), "audio": slice(10, 12)}
BLOCK_SHARES = {"shared": 0.20, "text": 0.34, "image": 0.26, "audio": 0.20}
DIMENSIONS = 12

_SHARPNESS = 3.0
_DRIFT_RADIANS = 0.6
_POPULARITY_SPREAD = 0.7
_SHARED_NOISE = 0.4

# Streams of random numbers: a change in one leaves the others as they were.
STREAM_ITEMS, STREAM_USERS, STREAM_EVENTS, STREAM_CATALOGUE = 1, 2, 3, 4
STREAM_TEXT, STREAM_POSTER, STREAM_SOUND, STREAM_REVIEW, STREAM_BREAK = 5, 6, 7, 8, 9


def random(config: SampleConfig, stream: int, index: int = 0) -> np.random.Generator:
    """The generator of one stream, and of one item in it."""
    return np.random.default_rng([config.seed, stream, index])


@dataclass(frozen=True)
class Items:
    """Hidden side of the items.

    Attributes:
        tastes: (n, 12) the vectors z.
        popularity: (n,) added to every user's utility; independent of z and of the media.
        expressed: per modality (n, d) what its files say: the shared block with noise, then the
            modality's own block.
        silent: (n,) items that nobody has touched.
    """

    tastes: Array
    popularity: Array
    expressed: dict[str, Array]
    silent: NDArray[np.bool_]


@dataclass(frozen=True)
class Users:
    """Hidden side of the users: tastes (n, 12) at the first and, a quarter turn on, as a limit."""

    early: Array
    turn: Array

    def at(self, progress: float) -> Array:
        """Tastes (n, 12) when a share `progress` (0 to 1) of the user's time has passed."""
        angle = _DRIFT_RADIANS * progress
        return np.asarray(np.cos(angle) * self.early + np.sin(angle) * self.turn)


def draw_items(config: SampleConfig) -> Items:
    """The hidden side of all items."""
    rng = random(config, STREAM_ITEMS)
    n = config.items
    tastes = rng.standard_normal((n, DIMENSIONS)).round(6)
    popularity = (_POPULARITY_SPREAD * rng.standard_normal(n)).round(6)
    expressed = {}
    for modality in ("text", "image", "audio"):
        shared = tastes[:, BLOCKS["shared"]]
        noisy = shared + _SHARED_NOISE * rng.standard_normal(shared.shape)
        heard = noisy / np.hypot(1.0, _SHARED_NOISE)
        expressed[modality] = np.hstack([heard, tastes[:, BLOCKS[modality]]]).round(6)
    silent = np.zeros(n, dtype=bool)
    silent[rng.permutation(n)[: max(1, round(0.05 * n))]] = True
    return Items(tastes, popularity, expressed, silent)


def draw_users(config: SampleConfig) -> Users:
    """The hidden side of all users; every block has exactly its share of the squared length."""
    rng = random(config, STREAM_USERS)
    return Users(_vectors(rng, config.users), _vectors(rng, config.users))


def utility(users: Array, items: Items) -> Array:
    """Utility (n_users, n_items) of all items for users with tastes (n_users, 12)."""
    return np.asarray(users @ items.tastes.T + items.popularity)


def shares() -> dict[str, float]:
    """Share of the preference variance that each modality carries, and that each block carries."""
    by_modality = {
        modality: round(BLOCK_SHARES["shared"] + BLOCK_SHARES[modality], 6)
        for modality in ("text", "image", "audio")
    }
    return by_modality | {f"block_{name}": share for name, share in BLOCK_SHARES.items()}


def _vectors(rng: np.random.Generator, n: int) -> Array:
    drawn = rng.standard_normal((n, DIMENSIONS))
    for name, block in BLOCKS.items():
        part = drawn[:, block]
        length = np.sqrt((part**2).sum(axis=1, keepdims=True))
        drawn[:, block] = part / length * np.sqrt(BLOCK_SHARES[name])
    return (_SHARPNESS * drawn).round(6)

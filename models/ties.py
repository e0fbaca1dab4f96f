"""The order of events that share an instant: seeded, and the same whatever else is in the log."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data import Interactions, Longs, Vocabulary

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def chronological_order(
    events: Interactions, marks: NDArray[np.uint64], item_ids: Vocabulary, seed: int
) -> Longs:
    """Rows (n,) of the events by user, then time; events of one instant by a seeded hash.

    The hash is of the user's beginning and the item's id together: an order by item alone would be
    the same for every user, and a model of sequences would learn it. It depends on no position, so
    that a new user, item or later event moves no tie of the others.

    Args:
        events: of all users.
        marks: (n_users,) of `Beginnings`.
        item_ids: whose hashes order them.
        seed: of the hashes.
    """
    items = _hashes(item_ids.ids, seed)
    shuffle = mixed(marks[events.users] ^ mixed(items[events.items]))
    return np.lexsort((shuffle, events.timestamps, events.users))


@dataclass(frozen=True)
class Beginnings:
    """What tells users apart without their ids, which another home's key would make others.

    Attributes:
        instants: (n_users,) microseconds of each user's first event; the largest int64 without one.
        marks: (n_users,) hashes of that instant and the items chosen at it.
    """

    instants: Longs
    marks: NDArray[np.uint64]

    def order(self) -> Longs:
        """The users (n_users,), who began first first."""
        return np.lexsort((self.marks, self.instants))


def beginnings(
    events: Interactions, user_ids: Vocabulary, item_ids: Vocabulary, seed: int
) -> Beginnings:
    """How each user began; those who began alike are told apart by the hashes of their ids."""
    items = _hashes(item_ids.ids, seed)
    instants = np.full(len(user_ids), np.iinfo(np.int64).max)
    np.minimum.at(instants, events.users, events.timestamps)
    first = events.timestamps == instants[events.users]
    chosen = np.zeros(len(user_ids), dtype=np.uint64)
    np.add.at(chosen, events.users[first], mixed(items[events.items[first]]))
    marks = mixed(chosen ^ mixed(instants.astype(np.uint64)))
    _, places, counts = np.unique(marks, return_inverse=True, return_counts=True)
    alike = np.flatnonzero(counts[places] > 1)
    if len(alike):
        marks[alike] ^= _hashes([user_ids.ids[user] for user in alike], seed)
    return Beginnings(instants, marks)


def _hashes(ids: Sequence[str], seed: int) -> NDArray[np.uint64]:
    key = seed.to_bytes(8, "little", signed=True)
    digests = [hashlib.blake2b(name.encode(), digest_size=8, key=key).digest() for name in ids]
    return np.frombuffer(b"".join(digests), dtype="<u8")


def mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every input bit moves every bit."""
    bits = bits + _GOLDEN
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))

"""The order of events that share an instant: seeded, and the same whatever else is in the log."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.data import Interactions, Longs, Vocabulary

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def chronological_order(
    events: Interactions, user_ids: Vocabulary, item_ids: Vocabulary, seed: int
) -> Longs:
    """Rows (n,) of the events by user, then time; events of one instant by a seeded hash.

    The hash is of the user's id and the item's together: an order by item alone would be the same
    for every user, and a model of sequences would learn it. It depends on no position, so that a
    new user, item or event moves no tie of the others.
    """
    users, items = _hashes(user_ids.ids, seed), _hashes(item_ids.ids, seed)
    shuffle = mixed(users[events.users] ^ mixed(items[events.items]))
    return np.lexsort((shuffle, events.timestamps, events.users))


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

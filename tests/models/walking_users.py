"""Users whose events have an order worth learning."""

import numpy as np

from models.data import Dataset, Interactions, Vocabulary

_DAY = 86_400_000_000


def random_walks(
    n_users: int = 50, n_items: int = 40, length: int = 18, held: int = 2, seed: int = 0
) -> Dataset:
    """Each user goes three items on or, one time in four, anywhere: order is all there is.

    No user does an item twice. The last `held` of a user's `length` events, one a day, validate.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n_users):
        place, own = int(rng.integers(n_items)), []
        while len(own) < length:
            place = int(rng.integers(n_items)) if rng.random() < 0.25 else (place + 3) % n_items
            if place in own:
                place = int(rng.choice(np.setdiff1d(np.arange(n_items), own)))
            own.append(place)
        rows.append(own)
    items = np.array(rows, dtype=np.int32)
    events = Interactions(
        np.repeat(np.arange(n_users, dtype=np.int32), length),
        items.ravel(),
        rng.integers(1, 6, items.size).astype(np.float32),
        np.tile(np.arange(length, dtype=np.int64) * _DAY, n_users),
    )
    last = np.tile(np.arange(length) >= length - held, n_users)
    return Dataset(
        Vocabulary(tuple(f"u{n}" for n in range(n_users))),
        Vocabulary(tuple(f"i{n}" for n in range(n_items))),
        events.take(~last),
        events.take(last),
        {},
        np.zeros((int((~last).sum()), 0), np.float32),
    )

"""Users who like one of three kinds of items, and new items of each kind."""

import numpy as np

from models.data import Dataset, Interactions, TokenTable, Vocabulary

N_USERS, N_ITEMS, N_KINDS = 48, 36, 3


def table(kinds: np.ndarray, seed: int, items: np.ndarray | None = None) -> TokenTable:
    """A modality that tells the kind of the items."""
    rng = np.random.default_rng(seed)
    own = np.arange(len(kinds), dtype=np.int32) if items is None else items
    features = np.eye(N_KINDS)[kinds[own]] + 0.05 * rng.standard_normal((len(own), N_KINDS))
    known_at = np.zeros(len(own), dtype=np.int64)
    return TokenTable(len(kinds), own, known_at, features.astype(np.float32))


def tastes() -> Dataset:
    """Users who like one of three kinds of items, which the text and the picture tell."""
    rng = np.random.default_rng(0)
    kinds = np.arange(N_ITEMS) % N_KINDS
    liked = [
        rng.permutation(np.flatnonzero(kinds == user % N_KINDS))[:6] for user in range(N_USERS)
    ]
    n = 6 * N_USERS
    events = Interactions(
        np.repeat(np.arange(N_USERS), 6).astype(np.int32),
        np.concatenate(liked).astype(np.int32),
        np.ones(n, dtype=np.float32),
        np.arange(n, dtype=np.int64) * 10**6,
    )
    last = np.arange(n) % 6 == 5
    return Dataset(
        Vocabulary(tuple(f"u{n}" for n in range(N_USERS))),
        Vocabulary(tuple(f"i{n}" for n in range(N_ITEMS))),
        events.take(~last),
        events.take(last),
        {
            "text": table(kinds, 1),
            "image": table(kinds, 2, np.arange(0, N_ITEMS, 2, dtype=np.int32)),
        },
        np.zeros(((~last).sum(), 0), dtype=np.float32),
    )


def newcomers() -> tuple[dict[str, TokenTable], np.ndarray]:
    """Item 4, which has become of kind 0, and three new ones, of each kind one."""
    kinds = np.array([0, 0, 1, 2])
    tokens = {"text": table(kinds, 3), "image": table(kinds, 4, np.array([1, 2], dtype=np.int32))}
    return tokens, np.array([4, N_ITEMS, N_ITEMS + 1, N_ITEMS + 2], dtype=np.int32)

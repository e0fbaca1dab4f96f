"""Compiles what the hybrid runs: `python -m models.hmdf.compile_ahead`, before it is needed.

A first fit compiles all of it, in each process that fits at the same time. Whoever calls
this beforehand, while other work reads files, has the machine code kept for all of them.
"""

import os

import numpy as np

from models.data import Dataset, Histories, Interactions, TokenTable, Vocabulary
from models.hmdf.config import HMDFConfig
from models.hmdf.model import HMDF

_USERS, _ITEMS, _LENGTH, _HELD = 30, 24, 14, 2
_UNTOUCHED = 4
_DAY = 86_400_000_000


def compile_hybrid() -> None:
    """Fits the hybrid to a few made-up events and asks it, so that all it calls is compiled."""
    dataset = _made_up()
    config = HMDFConfig(candidates=5, slices=2, rounds=2, bags=1, leaf_rows=1, threads=1)
    model = HMDF(config).fit(dataset)
    users = Histories.of(dataset.train, np.arange(3, dtype=np.int32))
    ranking = model.recommend(users, 3)
    model.explain(users, ranking.items)


def _made_up() -> Dataset:
    """Users who go from item to item, and a few items that nobody has chosen."""
    rng = np.random.default_rng(0)
    chosen = np.concatenate([rng.permutation(_ITEMS - _UNTOUCHED)[:_LENGTH] for _ in range(_USERS)])
    events = Interactions(
        np.repeat(np.arange(_USERS, dtype=np.int32), _LENGTH),
        chosen.astype(np.int32),
        np.ones(len(chosen), dtype=np.float32),
        np.tile(np.arange(_LENGTH, dtype=np.int64) * _DAY, _USERS),
    )
    held = np.tile(np.arange(_LENGTH) >= _LENGTH - _HELD, _USERS)
    features = rng.standard_normal((_ITEMS, 4)).astype(np.float32)
    items = np.arange(_ITEMS, dtype=np.int32)
    content = TokenTable(_ITEMS, items, np.zeros(_ITEMS, dtype=np.int64), features)
    return Dataset(
        Vocabulary(tuple(f"user {user}" for user in range(_USERS))),
        Vocabulary(tuple(f"item {item}" for item in range(_ITEMS))),
        events.take(~held),
        events.take(held),
        {"attributes": content},
        np.zeros((int((~held).sum()), 0), dtype=np.float32),
    )


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(10)
    compile_hybrid()

"""Size and seed of the generated catalogue."""

import hashlib
import json
from dataclasses import asdict, dataclass

GENERATOR_VERSION = 3
"""Raised whenever the same settings would give other bytes: a folder of the old ones is left."""


@dataclass(frozen=True)
class SampleConfig:
    """What to generate.

    Attributes:
        users: number of users.
        items: number of items.
        events: about as many events; each user has at least a few and none repeats an item.
        seed: one seed gives one catalogue.
    """

    users: int = 1500
    items: int = 800
    events: int = 60_000
    seed: int = 42

    def __post_init__(self) -> None:
        if self.users < 1 or self.items < 10 or self.events < 1 or self.seed < 0:
            raise ValueError(
                f"{self}: at least 1 user, 10 items, 1 event and a seed of 0 or more are needed."
            )

    @property
    def fingerprint(self) -> str:
        """Twelve hex characters that change with any setting or with the generator."""
        text = json.dumps({**asdict(self), "version": GENERATOR_VERSION}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

"""Every model that the platform knows: one entry each, which everything else asks.

A new model is a file of its own and an entry in `counting` or `learning`.
"""

from models.catalogue.entries import (
    CATALOGUE,
    SPACES,
    UnknownModelError,
    entry_of,
    require_models,
)
from models.catalogue.entry import Benchmark, Choices, ModelEntry, OnEpoch
from models.catalogue.space import Space

__all__ = [
    "CATALOGUE",
    "SPACES",
    "Benchmark",
    "Choices",
    "ModelEntry",
    "OnEpoch",
    "Space",
    "UnknownModelError",
    "entry_of",
    "require_models",
]

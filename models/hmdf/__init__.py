"""HMDF: the hybrid of behaviour, content and models, ranked by trees."""

from models.hmdf.config import HMDFConfig
from models.hmdf.model import HMDF
from models.hmdf.retrievers import (
    Retrievers,
    all_retrievers,
    cold_item_retrievers,
    simple_retrievers,
)
from models.hmdf.slices import OF_ITEMS, OF_TIME
from models.protocol import NothingToLearnError

__all__ = [
    "HMDF",
    "OF_ITEMS",
    "OF_TIME",
    "HMDFConfig",
    "NothingToLearnError",
    "Retrievers",
    "all_retrievers",
    "cold_item_retrievers",
    "simple_retrievers",
]

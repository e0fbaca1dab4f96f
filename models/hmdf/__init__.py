"""HMDF: the hybrid that stacks every retriever by LambdaRank."""

from models.hmdf.config import HMDFConfig
from models.hmdf.model import HMDF
from models.hmdf.retrievers import all_retrievers, cold_item_retrievers, simple_retrievers
from models.hmdf.slices import item_slices, time_slices

__all__ = [
    "HMDF",
    "HMDFConfig",
    "all_retrievers",
    "cold_item_retrievers",
    "item_slices",
    "simple_retrievers",
    "time_slices",
]

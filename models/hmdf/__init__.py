"""HMDF: the hybrid that stacks every retriever by LambdaRank."""

from models.hmdf.config import HMDFConfig
from models.hmdf.model import HMDF
from models.hmdf.retrievers import all_retrievers, simple_retrievers

__all__ = ["HMDF", "HMDFConfig", "all_retrievers", "simple_retrievers"]

"""HMDF: the hybrid that stacks every retriever by LambdaRank."""

from models.hmdf.config import HMDFConfig
from models.hmdf.model import HMDF

__all__ = ["HMDF", "HMDFConfig"]

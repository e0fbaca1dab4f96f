"""Graph attention (GAT) over users, items and what items look and read like."""

from models.gat.config import GATConfig
from models.gat.model import GAT
from models.persistence import NotFittedError

__all__ = ["GAT", "GATConfig", "NotFittedError"]

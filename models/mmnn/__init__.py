"""The multimodal neural network (MMNN)."""

from models.mmnn.config import MMNNConfig
from models.mmnn.model import MMNN
from models.mmnn.network import MissingHeadError
from models.persistence import NotFittedError

__all__ = ["MMNN", "MMNNConfig", "MissingHeadError", "NotFittedError"]

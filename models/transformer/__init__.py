"""The transformer: an encoder of item tokens, a causal decoder, and candidates that look back."""

from models.persistence import NotFittedError
from models.transformer.config import TransformerConfig
from models.transformer.model import Transformer

__all__ = ["NotFittedError", "Transformer", "TransformerConfig"]

"""Fusion operators: from the tokens an item has to one vector, interchangeable in every model."""

from models.fusion.autoencoder import Autoencoder
from models.fusion.base import FusionOperator
from models.fusion.concatenation import Concatenation
from models.fusion.cross_attention import CrossAttention
from models.fusion.gated_attention import GatedAttention
from models.fusion.mixture_of_experts import MixtureOfExperts
from models.fusion.operators import (
    OPERATORS,
    OperatorName,
    UnknownOperatorError,
    fusion_operator,
)
from models.fusion.pooling import Maximum, WeightedMean

__all__ = [
    "OPERATORS",
    "Autoencoder",
    "Concatenation",
    "CrossAttention",
    "FusionOperator",
    "GatedAttention",
    "Maximum",
    "MixtureOfExperts",
    "OperatorName",
    "UnknownOperatorError",
    "WeightedMean",
    "fusion_operator",
]

"""Fusion operators: from the tokens an item has to one vector, interchangeable in every model."""

from models.fusion.operators import (
    OPERATORS,
    Concatenation,
    FusionOperator,
    GatedAttention,
    UnknownOperatorError,
    fusion_operator,
)

__all__ = [
    "OPERATORS",
    "Concatenation",
    "FusionOperator",
    "GatedAttention",
    "UnknownOperatorError",
    "fusion_operator",
]

"""The operators by name."""

from collections.abc import Callable, Mapping
from typing import Literal

from models.fusion.autoencoder import Autoencoder
from models.fusion.base import FusionOperator
from models.fusion.concatenation import Concatenation
from models.fusion.cross_attention import CrossAttention
from models.fusion.gated_attention import GatedAttention
from models.fusion.mixture_of_experts import MixtureOfExperts
from models.fusion.pooling import Maximum, WeightedMean

OperatorName = Literal[
    "concatenation",
    "weighted_mean",
    "maximum",
    "gated_attention",
    "cross_attention",
    "autoencoder",
    "mixture_of_experts",
]
"""What the setting `operator` of a model may be."""

OPERATORS: Mapping[str, Callable[[int, int], FusionOperator]] = {
    "concatenation": Concatenation,
    "weighted_mean": WeightedMean,
    "maximum": Maximum,
    "gated_attention": GatedAttention,
    "cross_attention": CrossAttention,
    "autoencoder": Autoencoder,
    "mixture_of_experts": MixtureOfExperts,
}
"""Every operator by its name; each is made of (n_modalities, dim)."""


class UnknownOperatorError(ValueError):
    """A fusion operator was named that does not exist."""


def fusion_operator(name: str, n_modalities: int, dim: int) -> FusionOperator:
    """The operator of a name, for `n_modalities` tokens of `dim` numbers.

    Raises:
        UnknownOperatorError: there is no operator of that name.
    """
    if name not in OPERATORS:
        raise UnknownOperatorError(
            f"Fusion operator {name!r} is unknown; choose one of {', '.join(OPERATORS)}."
        )
    return OPERATORS[name](n_modalities, dim)

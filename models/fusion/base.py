"""What every fusion operator is."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class FusionOperator(nn.Module, ABC):
    """Fuses the present tokens of each row into one vector.

    A masked token never changes a result, whatever its numbers are, and gets no gradient; every
    present token gets one. Rows do not touch each other.
    """

    def __init__(self, n_modalities: int, dim: int) -> None:
        super().__init__()
        self.n_modalities, self.dim = n_modalities, dim

    @abstractmethod
    def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
        """Fuses tokens (b, m, d) float, present (b, m) bool with at least one True a row → (b, d).

        The type is that of the tokens.
        """

    def auxiliary_loss(self, tokens: Tensor, present: Tensor) -> Tensor:
        """What the operator itself wants made small, () for the same arguments as `forward`.

        A trainer adds it to its own loss; it is zero for an operator that wants nothing.
        """
        return tokens.new_zeros(())

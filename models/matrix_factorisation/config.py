"""What can be chosen about a matrix factorisation."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

_STRENGTH = {"concat": 0.02, "dot": 0.15}


class MatrixFactorisationConfig(BaseModel):
    """Settings; the defaults were chosen on a validation part of ml-latest-small's training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal["concat", "dot"] = Field(
        default="concat",
        description="concat: one linear layer over both embeddings, which is a user bias plus an "
        "item bias. dot: biases plus the product of the embeddings (Koren 2009).",
    )
    dim: int = Field(default=32, ge=1, description="Size of an embedding.")
    strength: float | None = Field(
        default=None,
        ge=0,
        description="L2 of the embeddings an event looks up, so that rare users and items shrink "
        "most. None: 0.02 for concat, 0.15 for dot.",
    )
    bias_strength: float = Field(default=0.03, ge=0, description="The same for the dot's biases.")
    init: float = Field(default=0.05, gt=0, description="Deviation of the first embeddings.")
    epochs: int = Field(default=40, ge=1, description="Most passes over the training events.")
    patience: int = Field(
        default=4, ge=1, description="Passes without a better validation error before stopping."
    )
    learning_rate: float = Field(default=5e-3, gt=0, description="Step size of Adam.")
    batch_size: int = Field(default=1024, ge=1, description="Events in a step.")
    validation: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="Share of the training events that chooses the number of epochs where the "
        "dataset brings no validation events; the model is then fitted on all of them.",
    )
    seed: int = Field(default=42, ge=0, description="Seed of embeddings and batches.")

    @property
    def embedding_strength(self) -> float:
        """The L2 strength in force."""
        return _STRENGTH[self.form] if self.strength is None else self.strength

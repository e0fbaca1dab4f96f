"""What can be chosen about a transformer."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.fusion import OperatorName


class TransformerConfig(BaseModel):
    """Settings of one transformer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operator: Literal["self_attention", OperatorName] = Field(
        default="self_attention",
        description="How an item's tokens become one vector: self_attention with a CLS token, or "
        "a fusion operator by its name.",
    )
    auxiliary_weight: float = Field(
        default=0.1,
        ge=0,
        description="Weight of what the operator itself wants made small, such as the "
        "reconstruction error of the autoencoder; most operators want nothing.",
    )
    dim: int = Field(default=64, ge=4, description="Size of tokens and states.")
    heads: int = Field(default=4, ge=1, description="Heads of self-attention; they divide `dim`.")
    layers: int = Field(default=1, ge=0, description="Blocks of the decoder.")
    history: int = Field(default=32, ge=1, description="Last events of a user that are read.")
    components: int = Field(
        default=16,
        ge=1,
        description="Directions kept a modality, those that predict choices best.",
    )
    gap_buckets: int = Field(
        default=12, ge=2, description="Buckets of the time since the event before, in powers of 4."
    )
    transition_gain: float = Field(
        default=100.0,
        ge=0,
        description="How much the id embeddings begin with of which item follows which; 0 begins "
        "with noise alone.",
    )
    dropout: float = Field(default=0.2, ge=0, lt=1, description="Dropout in every block.")
    id_dropout: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="Share of items whose id and reviews are hidden in a step, so that content "
        "alone must do.",
    )
    modality_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="Share of modality tokens hidden in a step."
    )
    epochs: int = Field(default=10, ge=1, description="Most epochs; the step size ends with them.")
    patience: int = Field(
        default=5, ge=1, description="Epochs without a better validation NDCG@10 before stopping."
    )
    learning_rate: float = Field(default=2e-3, gt=0, description="Largest step size of AdamW.")
    averaging: float = Field(
        default=0.95, ge=0, lt=1, description="Decay a step of the weights' moving average."
    )
    weight_decay: float = Field(
        default=0.1,
        ge=0,
        description="Decoupled decay of AdamW; id embeddings and popularity do not decay.",
    )
    batch_size: int = Field(default=16, ge=1, description="Windows in a step.")
    epoch_windows: int = Field(
        default=512,
        ge=1,
        description="Windows of users' sequences that an epoch trains on, drawn again each time.",
    )
    positions: int = Field(
        default=8,
        ge=1,
        description="Places of a window whose future is asked for, drawn again; neighbours share "
        "most of it.",
    )
    horizon: int = Field(
        default=20, ge=1, description="Events from each place on that the model must foresee."
    )
    horizon_decay: float = Field(
        default=0.9, gt=0, le=1, description="Weight of each of them, of that of the one before."
    )
    focus: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="q of the loss (1 - p^q) / q; 0 is -log p. More of it looks at what can reach "
        "the top of a list, and less at what nobody could foresee.",
    )
    full_weight: int = Field(
        default=20,
        ge=1,
        description="Events a user has done from which on a place counts in full; before, in "
        "proportion.",
    )
    periods: int = Field(
        default=4,
        ge=1,
        description="Stretches of time, equal in events; a step sees the reviews written before "
        "one of them, and trains on events from then on.",
    )
    sampled_items: int = Field(
        default=1000,
        ge=1,
        description="Up to so many items the softmax is exact; above, so many are drawn a step, "
        "next to the wanted ones.",
    )
    seed: int = Field(default=42, ge=0, description="Seed of weights, dropout and windows.")

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.dim % self.heads:
            raise ValueError(
                f"heads = {self.heads} does not divide dim = {self.dim}; choose heads that do"
            )
        return self

"""What can be chosen about an MMNN."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class MMNNConfig(BaseModel):
    """Settings of one MMNN; the defaults were chosen on the validation parts of both sources."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operator: Literal["concatenation", "gated_attention"] = Field(
        default="gated_attention", description="How an item's tokens become one vector."
    )
    dim: int = Field(default=64, ge=4, description="Size of tokens, item codes and user vectors.")
    layers: int = Field(default=1, ge=0, description="Layers h = σ(W x + b) after the operator.")
    heads: int = Field(
        default=4, ge=1, description="Weighted means of a history, each with its own decay."
    )
    history: int = Field(default=50, ge=1, description="Last events of a user that are read.")
    components: int = Field(
        default=64,
        ge=1,
        description="Principal components kept a modality. Few shrink a weak modality.",
    )
    dropout: float = Field(default=0.2, ge=0, lt=1, description="Dropout inside both towers.")
    id_dropout: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="Share of items whose id token is hidden in a step, so that content alone "
        "must do; cold items gain, warm ones lose a little.",
    )
    modality_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="Share of modality tokens hidden in a step."
    )
    rating_weight: float = Field(
        default=0.1, ge=0, description="Weight of the squared error of the rating head."
    )
    epochs: int = Field(default=30, ge=1, description="Most passes over the training events.")
    patience: int = Field(
        default=4, ge=1, description="Passes without a better validation NDCG@10 before stopping."
    )
    learning_rate: float = Field(default=3e-3, gt=0, description="Peak step size of AdamW.")
    weight_decay: float = Field(default=0.01, ge=0, description="Decoupled decay of AdamW.")
    batch_size: int = Field(default=1024, ge=1, description="Target events in a step.")
    periods: int = Field(
        default=8,
        ge=1,
        description="Stretches of time, equal in events; a step sees reviews written before its "
        "own stretch only.",
    )
    sampled_items: int = Field(
        default=20_000,
        ge=1,
        description="Up to so many items the softmax is exact; above, so many are drawn a step.",
    )
    seed: int = Field(default=42, ge=0, description="Seed of weights, dropout and batches.")

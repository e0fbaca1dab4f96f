"""What can be chosen about a GAT."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.fusion import OperatorName


class GATConfig(BaseModel):
    """Settings of one GAT."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operator: Literal["sum", OperatorName] = Field(
        default="sum",
        description="How an item's tokens become one vector: sum, or a fusion operator by name.",
    )
    auxiliary_weight: float = Field(
        default=0.1,
        ge=0,
        description="Weight of what the operator itself wants made small, such as the "
        "reconstruction error of the autoencoder; most operators want nothing.",
    )
    dim: int = Field(default=64, ge=4, description="Size of node, item and user vectors.")
    layers: int = Field(default=1, ge=1, description="Rounds of graph attention over the graph.")
    heads: int = Field(default=4, ge=1, description="Attention heads a round; they share `dim`.")
    user_heads: int = Field(
        default=4, ge=1, description="Attention heads over a history; each has `dim` numbers."
    )
    history: int = Field(default=50, ge=1, description="Last events of a user that are read.")
    components: int = Field(
        default=32,
        ge=1,
        description="Directions kept a modality, those that predict choices best.",
    )
    neighbours: int = Field(
        default=10, ge=1, description="Nearest items that an item is tied to in each modality."
    )
    sampled_users: int = Field(
        default=4, ge=1, description="Users drawn an item and round in training."
    )
    sampled_neighbours: int = Field(
        default=2, ge=1, description="Nearest items drawn an item, modality and round in training."
    )
    sampled_choices: int = Field(
        default=16, ge=1, description="Items drawn a user and round in training."
    )
    widening: int = Field(
        default=4,
        ge=1,
        description="How many times more neighbours are drawn when the final vectors are made.",
    )
    dropout: float = Field(default=0.2, ge=0, lt=1, description="Dropout of vectors.")
    attention_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="Share of a history's attention weights hidden."
    )
    id_dropout: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="Share of items whose id, users and reviews are hidden in a step, so that "
        "content and its neighbours alone must do.",
    )
    modality_dropout: float = Field(
        default=0.3,
        ge=0,
        lt=1,
        description="Share of modality tokens hidden in a step, with the edges they make.",
    )
    epochs: int = Field(default=8, ge=1, description="Most epochs; the step size ends with them.")
    patience: int = Field(
        default=5, ge=1, description="Epochs without a better validation NDCG@10 before stopping."
    )
    learning_rate: float = Field(default=1e-2, gt=0, description="Largest step size of AdamW.")
    averaging: float = Field(
        default=0.95, ge=0, lt=1, description="Decay a step of the weights' moving average."
    )
    weight_decay: float = Field(default=0.1, ge=0, description="Decoupled decay of AdamW.")
    batch_size: int = Field(default=256, ge=1, description="Instants in a step.")
    epoch_examples: int = Field(
        default=8192,
        ge=1,
        description="Instants in users' lives that an epoch trains on, drawn again each time where "
        "there are more events.",
    )
    horizon: int = Field(
        default=20, ge=1, description="Events from each instant on that the model must foresee."
    )
    periods: int = Field(
        default=4,
        ge=1,
        description="Stretches of time, equal in events; a step sees the reviews written before "
        "one of them, and trains on events from then on.",
    )
    sampled_items: int = Field(
        default=10_000,
        ge=1,
        description="Up to so many items the softmax is exact; above, so many are drawn a step.",
    )
    seed: int = Field(default=42, ge=0, description="Seed of weights, dropout and draws.")

    @model_validator(mode="after")
    def _heads_share_dim(self) -> Self:
        if self.dim % self.heads:
            raise ValueError(
                f"dim={self.dim} cannot be shared by heads={self.heads}; "
                "set dim to a multiple of heads."
            )
        return self

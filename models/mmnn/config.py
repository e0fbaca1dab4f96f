"""What can be chosen about an MMNN."""

from pydantic import BaseModel, ConfigDict, Field

from models.fusion import OperatorName


class MMNNConfig(BaseModel):
    """Settings of one MMNN."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operator: OperatorName = Field(
        default="concatenation", description="How an item's tokens become one vector."
    )
    dim: int = Field(default=64, ge=4, description="Size of tokens, item codes and user vectors.")
    layers: int = Field(default=1, ge=0, description="Layers h + σ(W h + b) after the operator.")
    heads: int = Field(
        default=4, ge=1, description="Weighted means of a history, each with its own decay."
    )
    history: int = Field(default=100, ge=1, description="Last events of a user that are read.")
    components: int = Field(
        default=16,
        ge=1,
        description="Directions kept a modality, those that foretell choices best. Few shrink what "
        "is weak.",
    )
    dropout: float = Field(default=0.2, ge=0, lt=1, description="Dropout inside both towers.")
    id_dropout: float = Field(
        default=0.4,
        ge=0,
        lt=1,
        description="Share of items whose id and reviews are hidden in a step, so that content "
        "alone must do.",
    )
    modality_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="Share of modality tokens hidden in a step."
    )
    rating_weight: float = Field(
        default=0.1, ge=0, description="Weight of the squared error of the rating head."
    )
    auxiliary_weight: float = Field(
        default=0.1,
        ge=0,
        description="Weight of what the operator itself wants made small, such as the "
        "reconstruction error of the autoencoder; most operators want nothing.",
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
        description="Instants in users' lives that an epoch trains on, drawn anew each time where "
        "there are more events. A user's share grows with the square root of what they did, since "
        "every user counts alike when lists are judged.",
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
        default=20_000,
        ge=1,
        description="Up to so many items the softmax is exact; above, so many are drawn a step.",
    )
    seed: int = Field(default=42, ge=0, description="Seed of weights, dropout and batches.")

"""The settings that the three networks have in common, each with its meaning and its bounds once.

A network's own settings say which value of a common one is its default.
"""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

AuxiliaryWeight = Annotated[
    float,
    Field(
        ge=0,
        description="Weight of what the operator itself wants made small, such as the "
        "reconstruction error of the autoencoder; most operators want nothing.",
    ),
]
Dim = Annotated[int, Field(ge=4, description="Size of item tokens, item codes and user vectors.")]
History = Annotated[int, Field(ge=1, description="Last events of a user that are read.")]
Components = Annotated[
    int,
    Field(
        ge=1,
        description="Directions kept per modality, those that predict choices best. Few shrink "
        "what is weak.",
    ),
]
Dropout = Annotated[
    float, Field(ge=0, lt=1, description="Share of the numbers of a vector hidden in a step.")
]
IdDropout = Annotated[
    float,
    Field(
        ge=0,
        lt=1,
        description="Share of items whose id and reviews are hidden in a step, and in a graph the "
        "users who chose them, so that content alone must do.",
    ),
]
ModalityDropout = Annotated[
    float,
    Field(
        ge=0,
        lt=1,
        description="Share of modality tokens hidden in a step, and in a graph the edges they "
        "make.",
    ),
]
Epochs = Annotated[int, Field(ge=1, description="Most epochs; the step size ends with them.")]
Patience = Annotated[
    int, Field(ge=1, description="Epochs without a better validation NDCG@10 before stopping.")
]
LearningRate = Annotated[float, Field(gt=0, description="Largest step size of AdamW.")]
Averaging = Annotated[
    float, Field(ge=0, lt=1, description="Decay per step of the weights' moving average.")
]
WeightDecay = Annotated[
    float,
    Field(ge=0, description="Decoupled decay of AdamW."),
]
Horizon = Annotated[
    int, Field(ge=1, description="Events from each instant on that the model must predict.")
]
Periods = Annotated[
    int,
    Field(
        ge=1,
        description="Stretches of time, equal in events; a step sees the reviews written before "
        "one of them, and trains on events from then on.",
    ),
]
SampledItems = Annotated[
    int,
    Field(
        ge=1,
        description="Up to so many items the softmax is exact; above, so many are drawn per step.",
    ),
]
Seed = Annotated[int, Field(ge=0, description="Seed of weights, dropout and every draw.")]


class NetworkConfig(BaseModel):
    """What every network is asked to say of itself and its training.

    Raises:
        ValueError: a setting is out of its bounds, or `heads` does not divide `dim` where it must.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    auxiliary_weight: AuxiliaryWeight = 0.1
    dim: Dim = 64
    components: Components = 16
    dropout: Dropout = 0.2
    patience: Patience = 5
    averaging: Averaging = 0.95
    weight_decay: WeightDecay = 0.1
    horizon: Horizon = 20
    periods: Periods = 4
    seed: Seed = 42


class WithSharedHeads(NetworkConfig):
    """Settings of a network whose attention heads share its vectors."""

    heads: Annotated[int, Field(ge=1, description="Attention heads; they share `dim`.")] = 4

    @model_validator(mode="after")
    def _heads_share_dim(self) -> Self:
        if self.dim % self.heads:
            raise ValueError(
                f"dim = {self.dim} cannot be shared by heads = {self.heads}; "
                "set dim to a multiple of heads."
            )
        return self

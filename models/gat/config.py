"""What can be chosen about a GAT."""

from typing import Literal

from pydantic import Field

from models.fusion import OperatorName
from models.network_config import (
    Components,
    Epochs,
    History,
    IdDropout,
    LearningRate,
    ModalityDropout,
    SampledItems,
    WithSharedHeads,
)


class GATConfig(WithSharedHeads):
    """Settings of one GAT."""

    history: History = 50
    components: Components = 32
    id_dropout: IdDropout = 0.5
    modality_dropout: ModalityDropout = 0.3
    epochs: Epochs = 8
    learning_rate: LearningRate = 1e-2
    sampled_items: SampledItems = 10_000

    operator: Literal["sum", OperatorName] = Field(
        default="sum",
        description="How an item's tokens become one vector: sum, or a fusion operator by name.",
    )
    layers: int = Field(default=1, ge=1, description="Rounds of graph attention over the graph.")
    user_heads: int = Field(
        default=4, ge=1, description="Attention heads over a history; each has `dim` numbers."
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
    attention_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="Share of a history's attention weights hidden."
    )
    batch_size: int = Field(default=256, ge=1, description="Instants in a step.")
    epoch_examples: int = Field(
        default=8192,
        ge=1,
        description="Instants in users' lives that an epoch trains on, drawn again each time where "
        "there are more events.",
    )

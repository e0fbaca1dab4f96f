"""What can be chosen about a transformer."""

from typing import Literal

from pydantic import Field

from models.fusion import OperatorName
from models.network_config import (
    Epochs,
    History,
    IdDropout,
    LearningRate,
    ModalityDropout,
    SampledItems,
    WithSharedHeads,
)


class TransformerConfig(WithSharedHeads):
    """Settings of one transformer. Id embeddings and popularity do not decay."""

    history: History = 32
    id_dropout: IdDropout = 0.2
    modality_dropout: ModalityDropout = 0.1
    epochs: Epochs = 10
    learning_rate: LearningRate = 2e-3
    sampled_items: SampledItems = 1000

    operator: Literal["self_attention", OperatorName] = Field(
        default="self_attention",
        description="How an item's tokens become one vector: self_attention with a CLS token, or "
        "a fusion operator by its name.",
    )
    layers: int = Field(default=1, ge=0, description="Blocks of the decoder.")
    gap_buckets: int = Field(
        default=12, ge=2, description="Buckets of the time since the event before, in powers of 4."
    )
    transition_gain: float = Field(
        default=100.0,
        ge=0,
        description="How much the id embeddings begin with of which item follows which; 0 begins "
        "with noise alone.",
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
    horizon_decay: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="Weight of each of these events over that of the one before it.",
    )
    focus: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="q of the loss (1 - p^q) / q; 0 is -log p. More of it looks at what can reach "
        "the top of a list, and less at what nobody could predict.",
    )
    full_weight: int = Field(
        default=20,
        ge=1,
        description="Events a user has done from which on a place counts in full; before, in "
        "proportion.",
    )

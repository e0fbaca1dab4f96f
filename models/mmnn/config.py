"""What can be chosen about an MMNN."""

from typing import Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from models.fusion import OperatorName
from models.network_config import (
    Epochs,
    History,
    IdDropout,
    LearningRate,
    ModalityDropout,
    NetworkConfig,
    SampledItems,
)

TaskName = Literal["retrieval", "rating", "click"]
"""What an MMNN can learn: which items come next, what they are worth, and whether one is chosen."""

FusionLevel = Literal["feature", "model"]
"""Where the modalities meet."""

_OPERATOR: OperatorName = "concatenation"


class MMNNConfig(NetworkConfig):
    """Settings of one MMNN."""

    history: History = 100
    id_dropout: IdDropout = 0.4
    modality_dropout: ModalityDropout = 0.1
    epochs: Epochs = 8
    learning_rate: LearningRate = 1e-2
    sampled_items: SampledItems = 20_000

    fusion_level: FusionLevel = Field(
        default="feature",
        description="feature: the operator fuses an item's tokens, and one trunk reads the result. "
        "model: a trunk and heads for each modality, whose scores learned weights fuse.",
    )
    operator: OperatorName = Field(
        default=_OPERATOR,
        description="How an item's tokens become one vector, with fusion_level feature.",
    )
    tasks: tuple[TaskName, ...] = Field(
        default=("retrieval", "rating"),
        description="What is learned together. retrieval ranks and is always there; rating "
        "predicts the value of an event; click tells what is chosen from what is not.",
    )
    task_weights: Literal["fixed", "uncertainty"] = Field(
        default="fixed",
        description="How the tasks are weighed. fixed: retrieval 1, the others by rating_weight "
        "and click_weight. uncertainty: by a learned noise of each (Kendall et al. 2018).",
    )
    layers: int = Field(default=1, ge=0, description="Layers h + σ(W h + b) after the operator.")
    heads: int = Field(
        default=4, ge=1, description="Weighted means of a history, each with its own decay."
    )
    rating_weight: float = Field(
        default=0.1, ge=0, description="Weight of the squared error of the rating head."
    )
    rating_damping: float = Field(
        default=1.0,
        ge=0,
        description="Events with which what a user or an item adds to predicted ratings counts "
        "half. It has no part in ranking.",
    )
    click_weight: float = Field(
        default=0.3, ge=0, description="Weight of the cross-entropy of the click head."
    )
    click_negatives: int = Field(
        default=4, ge=1, description="Items not chosen that the click head sees for each chosen."
    )
    batch_size: int = Field(default=256, ge=1, description="Instants in a step.")
    epoch_examples: int = Field(
        default=8192,
        ge=1,
        description="Instants in users' lives that an epoch trains on, drawn again each time where "
        "there are more events. A user's share grows with the square root of what they did, since "
        "every user counts alike when lists are judged.",
    )

    @field_validator("tasks")
    @classmethod
    def _in_one_order(cls, tasks: tuple[TaskName, ...]) -> tuple[TaskName, ...]:
        if "retrieval" not in tasks:
            raise ValueError(f"tasks = {tasks} lacks retrieval, which ranks the items; add it")
        if len(set(tasks)) < len(tasks):
            raise ValueError(f"tasks = {tasks} names a task twice; name each once")
        names: tuple[TaskName, ...] = get_args(TaskName)
        return tuple(name for name in names if name in tasks)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.fusion_level == "model" and self.operator != _OPERATOR:
            raise ValueError(
                f"operator = {self.operator} fuses tokens, and fusion_level = model has none to "
                "fuse; set fusion_level to feature or leave operator out"
            )
        if self.task_weights == "uncertainty" and len(self.tasks) == 1:
            raise ValueError(
                "task_weights = uncertainty weighs tasks against each other, and there is only "
                f"{self.tasks[0]}; add a task or set task_weights to fixed"
            )
        return self

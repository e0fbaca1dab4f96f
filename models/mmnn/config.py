"""What can be chosen about an MMNN."""

from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from models.fusion import OperatorName

TaskName = Literal["retrieval", "rating", "click"]
"""What an MMNN can learn: which items come next, what they are worth, and whether one is chosen."""

FusionLevel = Literal["feature", "model"]
"""Where the modalities meet."""

_OPERATOR: OperatorName = "concatenation"


class MMNNConfig(BaseModel):
    """Settings of one MMNN."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    dim: int = Field(default=64, ge=4, description="Size of tokens, item codes and user vectors.")
    layers: int = Field(default=1, ge=0, description="Layers h + σ(W h + b) after the operator.")
    heads: int = Field(
        default=4, ge=1, description="Weighted means of a history, each with its own decay."
    )
    history: int = Field(default=100, ge=1, description="Last events of a user that are read.")
    components: int = Field(
        default=16,
        ge=1,
        description="Directions kept a modality, those that predict choices best. Few shrink what "
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
        description="Instants in users' lives that an epoch trains on, drawn again each time where "
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

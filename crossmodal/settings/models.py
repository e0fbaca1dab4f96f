"""Which models are fitted, and how they are judged."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, field_validator

Evaluation = Literal["brief", "full"]
"""How much is fitted and judged: what decisions need, or all."""


class ModelSettings(BaseModel):
    """Fitting, search, judging, and which versions are kept."""

    training_epochs: int = Field(default=8, ge=1, description="Maximum epochs of an MMNN.")
    extra_models: tuple[str, ...] = Field(
        default=(),
        description='Models to fit in addition to those of every run, as JSON: ["gat"].',
    )
    hybrid_networks: bool = Field(
        default=False,
        description="Whether the hybrid stacks the three networks too, which takes minutes more.",
    )
    hybrid_impressions: bool = Field(
        default=False,
        description="Whether the hybrid's trees also learn from items that answers showed to a "
        "user and that the user did not choose. No measurement says that this makes lists better.",
    )
    matrix_factorisation: Literal["concat", "dot"] = Field(
        default="concat",
        description="concat is the form that most tutorials show, a linear layer over both "
        "embeddings; dot is the dot product of the embeddings plus biases.",
    )
    tuned: str = Field(
        default="none",
        description="Best settings to fit models with: none, sample or ml-latest-small "
        "(committed), or a file written by `crossmodal search --best`, ending in .json.",
    )
    search_models: tuple[str, ...] = Field(
        default=(),
        description='Models whose settings are searched in a run, as JSON: ["ease"].',
    )
    search_trials: int = Field(default=20, ge=1, description="Maximum trials per model.")
    search_seconds: float = Field(
        default=600.0, gt=0, description="Time after which no trial of a model begins."
    )
    recommendations_k: int = Field(default=20, ge=1, le=200, description="List length per user.")
    judging_users: int = Field(
        default=10_000,
        ge=10,
        description="Maximum users whose held-out events choose and judge models. If there are "
        "more users, this many are drawn, and the intervals become wider.",
    )
    bootstrap_samples: int = Field(
        default=1000, ge=100, description="Resamples behind every confidence interval."
    )
    gate_margin: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="A candidate is refused if the whole interval of its NDCG@10 minus the "
        "champion's lies below minus this.",
    )
    gate_segment_margin: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="The same for the users of one segment, such as new users, with intervals that "
        "hold for all segments at once.",
    )
    gate_coverage: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="A candidate is refused if its lists show less than this share of the number "
        "of items that the champion's lists show.",
    )
    refit_overlap: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share of the items in the judged champion's lists that must also be in the "
        "lists of the version fitted to all events; below it, the judged version answers.",
    )
    refit_list_seconds: float = Field(
        default=0.5,
        gt=0,
        description="Longest time that the version fitted to all events may take for one list; "
        "above it, the judged version answers.",
    )
    warm_start: tuple[str, ...] = Field(
        default=("transformer",),
        description="Models that a night fits by going on from the version that answers, with a "
        'quarter of the epochs, as JSON: ["transformer"]. All other models, and these after a '
        "judgement, are fitted from scratch.",
    )
    kept_versions: int = Field(
        default=5,
        ge=1,
        description="Newest versions of each model and split that a run keeps; older ones that "
        "nothing needs are deleted.",
    )
    kept_champion_days: int = Field(
        default=30,
        ge=0,
        description="Days for which a former champion is kept, so that `crossmodal rollback` can "
        "return to it.",
    )
    ablation_users: int = Field(
        default=300,
        ge=1,
        description="Maximum users whose lists are used to measure what a modality is worth; "
        "they are drawn by the seed.",
    )
    evaluation: Evaluation = Field(
        default="brief",
        description="What is fitted and judged. brief: what decisions need; modalities are hidden "
        "from two models per split, the best one and the best among the others that train weights. "
        "full: modalities are hidden from every model that can be masked, and models that train "
        "weights are also fitted on global-temporal, which takes a second fit of each.",
    )

    @field_validator("tuned")
    @classmethod
    def _absolute_file(cls, value: str) -> str:
        named = value.endswith(".json")
        return str(Path(value).expanduser().resolve()) if named else value

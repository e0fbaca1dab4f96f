"""What can be chosen about the hybrid."""

from pydantic import BaseModel, ConfigDict, Field


class HMDFConfig(BaseModel):
    """Settings of one hybrid."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    networks: bool = Field(
        default=False,
        description="Whether the three networks are among the models that are stacked. They take "
        "minutes.",
    )
    candidates: int = Field(
        default=30, ge=1, le=500, description="Best items of each model and sum that are ranked."
    )
    slices: int = Field(
        default=3,
        ge=2,
        le=5,
        description="Slices that labels come from: of time, the validation events and as much "
        "before them; of items, each a fifth of those with events. The features of a slice come "
        "from its past alone.",
    )
    most_users: int = Field(
        default=2500,
        ge=10,
        description="Users whose choices of a slice the trees learn from, and are counted by, at "
        "most. The validated figure is that of all who have validation events.",
    )
    most_rows: int = Field(
        default=400_000,
        ge=1000,
        description="About how many candidates the trees learn from, at most. Of more, some that "
        "were not chosen are left out, drawn by the seed; those that were chosen all stay.",
    )
    rounds: int = Field(default=160, ge=1, description="Most trees.")
    patience: int = Field(
        default=80, ge=1, description="Trees without a better NDCG@10 on the slices that judge."
    )
    bags: int = Field(
        default=3, ge=1, description="Fits of the final trees, each with its own draws; their mean."
    )
    leaves: int = Field(default=15, ge=2, description="Leaves of a tree.")
    learning_rate: float = Field(default=0.1, gt=0, description="Share of a tree that is added.")
    leaf_rows: int = Field(default=50, ge=1, description="Fewest candidates in a leaf.")
    penalty: float = Field(default=10.0, ge=0, description="L2 penalty of the leaves' values.")
    feature_share: float = Field(
        default=0.4, gt=0, le=1, description="Features drawn for each tree."
    )
    row_share: float = Field(default=0.7, gt=0, le=1, description="Rows drawn for each tree.")
    bins: int = Field(default=63, ge=2, le=255, description="Values of a feature distinguished.")
    truncation: int = Field(
        default=30, ge=1, description="Only pairs with one item above this rank count."
    )
    threads: int = Field(
        default=0,
        ge=0,
        description="Threads of a fit, which change no result; 0 for as many as there are cores.",
    )
    seed: int = Field(default=42, ge=0, description="Draws features and rows.")

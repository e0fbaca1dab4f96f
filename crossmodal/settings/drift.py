"""What counts as drift: how far apart older and newer events may be."""

from pydantic import BaseModel, Field


class DriftSettings(BaseModel):
    """Limits of the measures of drift, and how many users there must be."""

    drift_least_users: float = Field(
        default=50,
        ge=2,
        description="Effective number of users (or items, for statistics of items) of both the "
        "older and the newer events below which a measure of drift is not judged.",
    )
    drift_psi: float = Field(
        default=0.2,
        gt=0,
        description="Population stability index of events' types, values or categories above which "
        "they count as drifted.",
    )
    drift_wasserstein: float = Field(
        default=0.3,
        gt=0,
        description="Wasserstein distance of a feature, in standard deviations, above which it "
        "counts as drifted.",
    )
    drift_mean_shift: float = Field(
        default=0.3,
        gt=0,
        description="Shift of the mean embedding of the items of events, in units of the spread of "
        "the embeddings, above which a modality counts as drifted.",
    )
    drift_near_duplicates: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Difference between the shares of near-duplicates among items above which a "
        "modality counts as drifted.",
    )
    drift_missing: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Difference between the shares of events whose item lacks a modality above "
        "which the modality counts as drifted.",
    )
    drift_fallback: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="Share of fallbacks among the answers that apps have shown above which answers "
        "count as drifted.",
    )
    drift_click_through: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="How much lower, as a share, the click-through of the version that answered "
        "last may be than that of the versions before it.",
    )

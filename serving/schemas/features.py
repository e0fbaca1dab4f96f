"""Feast's features, by key."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from serving.schemas.fields import Sent

MOST_KEYS = 1000


class FeatureRequest(Sent):
    """Keys whose features are asked for."""

    keys: dict[str, list[Annotated[str, Field(max_length=256)]]] = Field(
        description="Values of each join key of the service, in parallel.",
        examples=[{"user_id": ["ada"], "item_id": ["item-00042"]}],
    )


class FeatureAnswer(BaseModel):
    """Feast's features, column by column."""

    service: str = Field(description="The feature service.", examples=["ranking"])
    columns: dict[str, list[Any]] = Field(
        description="Join keys and view__feature; a value a key, null where nothing is known.",
        examples=[{"user_id": ["ada"], "user_statistics__user_n_events": [17]}],
    )

"""A search, and what it found."""

from typing import Annotated

from pydantic import BaseModel, Field

from serving.schemas.fields import (
    CategoriesSent,
    Count,
    ExcludeSent,
    JsonNumber,
    Modality,
    Sent,
    UnknownItems,
    UserId,
)
from serving.schemas.items import ItemAnswer

Weight = Annotated[
    float, Field(ge=0, le=100, allow_inf_nan=False, description="0 leaves it out."), JsonNumber
]

Base64 = Annotated[str, Field(min_length=4, json_schema_extra={"contentEncoding": "base64"})]

_PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAEElEQVR42mNsYIAAJgaKGAAmCACQtTEK"
    "kQAAAABJRU5ErkJggg=="
)

_SOUND = (
    "UklGRjwAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YRgAAACAoICggKCAoICggKCAoICggKCAoICggKA="
)


class Weights(Sent):
    """How much each part of a search counts, compared with the others that it has."""

    text: Weight = 1.0
    image: Weight = 1.0
    audio: Weight = 1.0


class SearchRequest(Sent):
    """A search by words, a picture, a sound, or several at once."""

    text: str | None = Field(
        default=None,
        max_length=2000,
        pattern=r"\S",
        description="Words for what is looked for.",
        examples=["a haunted house at night"],
    )
    image: Base64 | None = Field(
        default=None, description="A picture like it, in base64.", examples=[_PICTURE]
    )
    audio: Base64 | None = Field(
        default=None, description="A sound like it, in base64.", examples=[_SOUND]
    )
    weights: Weights = Field(default=Weights(), description="Of text, image and audio.")
    modalities: list[Modality] | None = Field(
        default=None,
        examples=[["text", "image"]],
        min_length=1,
        description="What of the items to compare. By default words are compared with everything, "
        "a picture with pictures, a sound with sounds, and both with the words of items that have "
        "none.",
    )
    user_id: UserId | None = Field(
        default=None, description="Whose taste the best finds are put in order by; nobody's."
    )
    k: Annotated[Count, JsonNumber] = 20
    category: CategoriesSent = Field(default=[])
    exclude: ExcludeSent = Field(default=[])


class FoundItem(ItemAnswer):
    """One row of a search."""

    rank: int = Field(description="From 1.", examples=[1])
    score: float = Field(
        description="Of all comparisons; only its order means something.", examples=[5.1]
    )
    cosines: dict[str, float] = Field(
        description="Closeness in each modality it was found by.", examples=[{"text": 0.61}]
    )


class Found(BaseModel):
    """What a search found."""

    model_version: str = Field(
        description="Whose catalogue was searched.", examples=["mmnn-user-temporal-f7da3de3"]
    )
    items: list[FoundItem] = Field(description="Nearest first.")
    unknown_items: UnknownItems = Field(default=[])

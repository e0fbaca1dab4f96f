"""Items of the catalogue, as apps put them and as they are answered."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from crossmodal.event_rules import JsonNumber
from crossmodal.ids import IN_PRINT
from crossmodal.instants import Instant
from serving.schemas.fields import NextPage, Sent, UnknownItems

AttributeName = Annotated[str, Field(min_length=1, max_length=256, pattern=IN_PRINT)]
AttributeValue = Annotated[float, Field(ge=-1e18, le=1e18, allow_inf_nan=False), JsonNumber]


class ItemDescription(Sent):
    """What an item is; its picture and sound are put apart."""

    title: str = Field(
        min_length=1,
        max_length=500,
        pattern=r"\S",
        description="What people call it.",
        examples=["The Long Room"],
    )
    text: str = Field(default="", max_length=20_000, description="What it is, in words.")
    categories: list[Annotated[str, Field(min_length=1, max_length=256)]] = Field(
        default=[],
        max_length=100,
        description="What it is filed under.",
        examples=[["Science", "Sports"]],
    )
    attributes: dict[AttributeName, AttributeValue] = Field(
        default={},
        max_length=100,
        description="Its named numbers. Those that the source has under other names stay.",
        examples=[{"year": 2012, "price": 19.99}],
    )
    created_at: Instant = Field(
        default=None,
        description="From when it is in the catalogue; now by default. Text with a time and a zone "
        "(Z or an offset), from 1970 to five minutes from now.",
        examples=["2026-01-31T18:00:00Z"],
    )


class ItemStored(BaseModel):
    """An item that is on the disk, found by search, and may be recommended."""

    item_id: str = Field(description="Of the catalogue.", examples=["item-00042"])
    created: bool = Field(description="False where it was there before.", examples=[True])
    media: list[str] = Field(
        description="Of image and audio, what it has.", examples=[["image", "audio"]]
    )
    scored_by: Literal["champion", "neighbours"] = Field(
        description="The model reads what it is, or only items that are near speak for it."
    )


class ItemAnswer(BaseModel):
    """An item as people see it."""

    item_id: str = Field(description="Of the catalogue.", examples=["item-00042"])
    title: str = Field(description="What people call it.", examples=["The Long Room"])
    categories: list[str] = Field(
        description="What it is filed under.", examples=[["Science", "Sports"]]
    )
    media: list[str] = Field(
        description="Of image and audio, what can be fetched.", examples=[["image"]]
    )


class ItemFacts(ItemAnswer):
    """One item, with all that is known of it."""

    text: str = Field(
        description="What it is, in words.", examples=["A keeper hears drowned sailors sing."]
    )
    attributes: dict[str, float] = Field(
        description="Its named numbers.", examples=[{"year": 2012, "price": 19.99}]
    )
    modalities: list[str] = Field(
        description="Of text, image, audio, reviews and attributes, what it can be found by.",
        examples=[["text", "image", "attributes"]],
    )
    created_at: datetime | None = Field(
        description="From when it is in the catalogue; null where nobody knows.",
        examples=["2026-01-31T18:00:00Z"],
    )


class ItemList(BaseModel):
    """A list for everyone."""

    model_version: str = Field(
        description="Whose catalogue it is.", examples=["mmnn-user-temporal-f7da3de3"]
    )
    total: int = Field(description="Items of all pages.", examples=[800])
    as_of: datetime | None = Field(
        default=None,
        description="When the newest event happened that is counted, the last run's and those "
        "reported since; null for `latest`, which counts none.",
        examples=["2026-01-31T18:00:00Z"],
    )
    items: list[ItemAnswer] = Field(description="Those of this page, in order.")
    after: NextPage = None
    unknown_items: UnknownItems = Field(default=[])

"""Lists for a user or a guest, and an app's own candidates in order."""

from typing import Annotated

from pydantic import BaseModel, Field

from crossmodal.answer_ids import AnswerPath
from serving.schemas.events import MOST_EVENTS
from serving.schemas.fields import (
    MOST_CANDIDATES,
    After,
    CategoriesSent,
    Count,
    Diversity,
    ExcludeSent,
    ItemId,
    JsonNumber,
    NextPage,
    PlacesForNew,
    Sent,
    UnknownItems,
    UserId,
    Value,
)
from serving.schemas.items import ItemAnswer


class PastEvent(Sent):
    """One thing that someone without an account did."""

    item_id: ItemId
    value: Value | None = Field(default=None, description="Stars or strength.")


class RecommendationRequest(Sent):
    """A list for someone without an account."""

    history: list[PastEvent] = Field(
        default=[], max_length=MOST_EVENTS, description="What they did, oldest first."
    )
    k: Annotated[Count, JsonNumber] = 20
    diversity: Annotated[Diversity, JsonNumber] = 0.0
    new_places: Annotated[PlacesForNew, JsonNumber] = 0
    category: CategoriesSent = Field(default=[])
    exclude: ExcludeSent = Field(default=[])
    after: After = None


class RankRequest(Sent):
    """An app's own candidates, to be put in order."""

    user_id: UserId | None = Field(default=None, description="For whom; nobody known by default.")
    items: list[ItemId] = Field(
        min_length=1,
        max_length=MOST_CANDIDATES,
        description="The candidates.",
        examples=[["item-00042", "item-00007"]],
    )


class ReasonAnswer(BaseModel):
    """Why an item is in a list."""

    sentence: str = Field(
        description="In words.", examples=["its picture (53%); goes with “Only Room”"]
    )
    modality_shares: dict[str, float] = Field(
        description="What raised the score, as shares that sum to 1: each modality that the model "
        "reads, `behaviour` (who chose what) and `popularity` (how many chose it). All 0 where "
        "nothing did; empty where the reasons were late.",
        examples=[{"image": 0.53, "text": 0.27, "behaviour": 0.2}],
    )
    past_items: list[str] = Field(
        description="Past items that count most, the strongest first.", examples=[["item-00007"]]
    )


class RankedItem(ItemAnswer):
    """One row of a list."""

    rank: int = Field(description="From 1.", examples=[1])
    score: float | None = Field(
        description="The model's; only its order means something. Null for an item that the model "
        "cannot score, such as one without the modality that it reads: those come after all that "
        "it can, the most chosen first.",
        examples=[0.87],
    )
    reason: ReasonAnswer = Field(description="Why it is here.")


class Recommendations(BaseModel):
    """A list, and how it came about."""

    request_id: str = Field(
        description="Name it in the events that come from this answer.",
        examples=["5e1f0c2a9b7d4e6f.c.mmnn-user-temporal-f7da3de3"],
    )
    model_version: str = Field(
        description="The model that made it.", examples=["mmnn-user-temporal-f7da3de3"]
    )
    path: AnswerPath = Field(
        description="What made it: the champion, or what was at hand where a stage failed or was "
        "late."
    )
    known_user: bool = Field(
        description="False where nothing is known of the user.", examples=[True]
    )
    items: list[RankedItem] = Field(description="Best first.")
    after: NextPage = None
    unknown_items: UnknownItems = Field(default=[])
    repeated_items: list[str] = Field(
        default=[],
        description="Candidates that were sent several times, and are answered once.",
        examples=[["item-00007"]],
    )

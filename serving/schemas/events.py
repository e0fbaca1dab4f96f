"""Events, and what became of them."""

from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Field, Tag

from crossmodal.event_log import EventType
from crossmodal.event_rules import EventId, Rank, RequestId, ReviewText, Value
from crossmodal.instants import Instant
from serving.schemas.fields import ItemId, Sent, UserId

MOST_EVENTS = 1000


class Event(Sent):
    """One thing that a user did."""

    event_id: EventId
    user_id: UserId
    item_id: ItemId
    type: EventType = Field(description="What the user did.")
    value: Value | None = Field(
        default=None,
        description="Stars of a rating, or how strong a click, a play or a like was; 0 or less "
        "says no. A review's and an impression's is kept and changes nothing; a hide has none.",
    )
    text: ReviewText | None = Field(
        default=None,
        description="What a review says.",
        examples=["Slow, but the music stays with you."],
    )
    request_id: RequestId | None = Field(
        default=None,
        description="Of the answer that the event came from. With it, an event counts in the "
        "click-through of the model that made the answer.",
        examples=["5e1f0c2a9b7d4e6f.c.mmnn-user-temporal-f7da3de3"],
    )
    rank: Rank | None = Field(default=None, description="The item's rank in that answer, from 1.")
    timestamp: Instant = Field(
        default=None,
        description="When it happened; now by default. Text with a time and a zone "
        "(Z or an offset), from 1970 to five minutes from now.",
        examples=["2026-01-31T18:00:00Z"],
    )


class EventBatch(Sent):
    """Events that are taken together or not at all."""

    events: list[Event] = Field(min_length=1, max_length=MOST_EVENTS, description="The events.")


def _what_was_sent(body: Any) -> str:
    batch = isinstance(body, EventBatch) or (isinstance(body, dict) and "events" in body)
    return "batch of events" if batch else "one event"


EventOrBatch = Annotated[
    Annotated[Event, Tag("one event")] | Annotated[EventBatch, Tag("batch of events")],
    Discriminator(_what_was_sent),
]


class EventsTaken(BaseModel):
    """What became of a batch: it is on the disk."""

    acknowledged: int = Field(description="Events of the batch.", examples=[1])
    new: int = Field(description="Those whose id was not known before.", examples=[1])

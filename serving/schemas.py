"""What apps send and are answered; the same words as everywhere in the platform."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from crossmodal.event_log import EventType

_IN_PRINT = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]+$"
"""No control characters and no line breaks: they would be read as something else in a path."""


def _number(sent: Any) -> Any:
    if isinstance(sent, bool | str):
        raise ValueError("A number is needed.")
    return sent


def _instant(sent: Any) -> Any:
    if sent is not None and not isinstance(sent, str | datetime):
        raise ValueError("An instant is text, such as 2026-01-31T18:00:00Z.")
    return sent


_JsonNumber = BeforeValidator(_number)
"""In JSON neither true nor "1" is a number; in a query all are text."""

_Id = Annotated[str, Field(min_length=1, max_length=256, pattern=_IN_PRINT)]
UserId = Annotated[_Id, Field(description="The app's own user id.", examples=["user-000042"])]
ItemId = Annotated[_Id, Field(description="An item of the catalogue.", examples=["item-00042"])]
Modality = Literal["text", "image", "audio", "reviews", "attributes"]
Count = Annotated[int, Field(ge=1, le=200, description="Most items of the answer.")]
Diversity = Annotated[
    float,
    Field(ge=0, le=1, description="0 keeps the order of the scores; 1 makes items differ most."),
]

PlacesForNew = Annotated[
    int,
    Field(
        ge=0,
        le=100,
        description="Items without an event that the lower half of the list holds at least, where "
        "there are so many; those shown least come first.",
    ),
]

Value = Annotated[
    float,
    Field(ge=-1e6, le=1e6, allow_inf_nan=False, description="Stars or strength.", examples=[4.5]),
    _JsonNumber,
]
Category = Annotated[
    str | None, Field(max_length=256, description="Only items in it.", examples=["Comedy"])
]

Weight = Annotated[
    float, Field(ge=0, le=100, allow_inf_nan=False, description="0 leaves it out."), _JsonNumber
]
Base64 = Annotated[str, Field(min_length=4, json_schema_extra={"contentEncoding": "base64"})]

_PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAEElEQVR42mNsYIAAJgaKGAAmCACQtTEK"
    "kQAAAABJRU5ErkJggg=="
)
_SOUND = (
    "UklGRjwAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YRgAAACAoICggKCAoICggKCAoICggKCAoICggKA="
)

MOST_EVENTS = 1000
MOST_CANDIDATES = 1000
MOST_KEYS = 1000


class Sent(BaseModel):
    """Something an app sends: what it does not know is one error, not silence and not thousands."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})

    @model_validator(mode="before")
    @classmethod
    def _only_known_fields(cls, sent: Any) -> Any:
        unknown = sorted(map(str, set(sent) - set(cls.model_fields))) if type(sent) is dict else []
        if unknown:
            raise ValueError(
                f"There is no field {unknown[0][:64]!r}; there are {', '.join(cls.model_fields)}."
            )
        return sent


class PastEvent(Sent):
    """One thing that someone without an account did."""

    item_id: ItemId
    value: Value | None = Field(default=None, description="Stars or strength.")


class RecommendationRequest(Sent):
    """A list for someone without an account."""

    history: list[PastEvent] = Field(
        default=[], max_length=MOST_EVENTS, description="What they did, oldest first."
    )
    k: Annotated[Count, _JsonNumber] = 20
    diversity: Annotated[Diversity, _JsonNumber] = 0.0
    new_places: Annotated[PlacesForNew, _JsonNumber] = 0
    category: Category = None
    exclude: list[ItemId] = Field(
        default=[], max_length=MOST_CANDIDATES, description="Items never to show."
    )


class RankRequest(Sent):
    """An app's own candidates, to be put in order."""

    user_id: UserId | None = Field(default=None, description="For whom; nobody known by default.")
    items: list[ItemId] = Field(
        min_length=1,
        max_length=MOST_CANDIDATES,
        description="The candidates.",
        examples=[["item-00042", "item-00007"]],
    )


class Weights(Sent):
    """How much each part of a search counts, beside the others that it has."""

    text: Weight = 1.0
    image: Weight = 1.0
    audio: Weight = 1.0


class SearchRequest(Sent):
    """A search by words, a picture, a sound, or several at once."""

    text: str | None = Field(
        default=None,
        min_length=1,
        max_length=2000,
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
    k: Annotated[Count, _JsonNumber] = 20
    category: Category = None


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
    created_at: Annotated[datetime | None, BeforeValidator(_instant)] = Field(
        default=None,
        description="From when it is in the catalogue; now by default. A zone is needed.",
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


class FeatureRequest(Sent):
    """Keys whose features are asked for."""

    keys: dict[str, list[Annotated[str, Field(max_length=256)]]] = Field(
        description="Values of each join key of the service, in parallel.",
        examples=[{"user_id": ["ada"], "item_id": ["item-00042"]}],
    )


class Event(Sent):
    """One thing that a user did."""

    event_id: str = Field(
        min_length=1,
        max_length=128,
        description="The app's own id of the event; sent again, it counts once.",
        examples=["7f3c9a"],
    )
    user_id: UserId
    item_id: ItemId
    type: EventType = Field(description="What the user did.")
    value: Value | None = Field(
        default=None, description="Stars of a rating; no other type needs it."
    )
    text: str | None = Field(
        default=None,
        max_length=10_000,
        description="What a review says.",
        examples=["Slow, but the music stays with you."],
    )
    request_id: str | None = Field(
        default=None,
        max_length=64,
        description="Of the answer that the event came from.",
        examples=["5e1f0c2a9b7d4e6f8a0b1c2d"],
    )
    timestamp: Annotated[datetime | None, BeforeValidator(_instant)] = Field(
        default=None,
        description="When it happened; now by default. A zone is needed.",
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


class RankedItem(ItemAnswer):
    """One row of a list."""

    rank: int = Field(description="From 1.", examples=[1])
    score: float = Field(
        description="The model's; only its order means something.", examples=[0.87]
    )
    reason: ReasonAnswer = Field(description="Why it is here.")


AnswerPath = Literal["champion", "fallback"]


class Recommendations(BaseModel):
    """A list, and how it came about."""

    request_id: str = Field(
        description="Name it in the events that come from this answer.",
        examples=["5e1f0c2a9b7d4e6f8a0b1c2d"],
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


class ItemList(BaseModel):
    """A list for everyone."""

    model_version: str = Field(
        description="Whose catalogue it is.", examples=["mmnn-user-temporal-f7da3de3"]
    )
    total: int = Field(description="Items of all pages.", examples=[800])
    items: list[ItemAnswer] = Field(description="Those of this page, in order.")


class FeatureAnswer(BaseModel):
    """Feast's features, column by column."""

    service: str = Field(description="The feature service.", examples=["ranking"])
    columns: dict[str, list[Any]] = Field(
        description="Join keys and view__feature; a value a key, null where nothing is known.",
        examples=[{"user_id": ["ada"], "user_statistics__user_n_events": [17]}],
    )


class Health(BaseModel):
    """Whether the service lives."""

    status: Literal["alive"] = Field(default="alive", description="It answers.")


class Readiness(BaseModel):
    """Whether the service can answer."""

    status: Literal["ready"] = Field(default="ready", description="It has all that it needs.")
    model_version: str = Field(
        description="The model in use.", examples=["mmnn-user-temporal-f7da3de3"]
    )

"""What apps send and are answered; the same words as everywhere in the platform."""

from crossmodal.answer_ids import AnswerPath
from serving.schemas.events import Event, EventBatch, EventOrBatch, EventsTaken
from serving.schemas.features import MOST_KEYS, FeatureAnswer, FeatureRequest
from serving.schemas.fields import (
    After,
    Categories,
    Count,
    Diversity,
    EventId,
    Exclude,
    ItemId,
    Modality,
    PlacesForNew,
    UserId,
)
from serving.schemas.items import ItemAnswer, ItemDescription, ItemFacts, ItemList, ItemStored
from serving.schemas.lists import (
    PastEvent,
    RankRequest,
    RecommendationRequest,
    Recommendations,
)
from serving.schemas.operations import Health, Readiness
from serving.schemas.searches import Found, FoundItem, SearchRequest, Weights

__all__ = [
    "MOST_KEYS",
    "After",
    "AnswerPath",
    "Categories",
    "Count",
    "Diversity",
    "Event",
    "EventBatch",
    "EventId",
    "EventOrBatch",
    "EventsTaken",
    "Exclude",
    "FeatureAnswer",
    "FeatureRequest",
    "Found",
    "FoundItem",
    "Health",
    "ItemAnswer",
    "ItemDescription",
    "ItemFacts",
    "ItemId",
    "ItemList",
    "ItemStored",
    "Modality",
    "PastEvent",
    "PlacesForNew",
    "RankRequest",
    "Readiness",
    "RecommendationRequest",
    "Recommendations",
    "SearchRequest",
    "UserId",
    "Weights",
]

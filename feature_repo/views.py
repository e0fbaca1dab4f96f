"""The feature views: what is known of items and users, and from which instant.

A row's event_timestamp is the first instant at which its values may be used.
"""

from datetime import timedelta

from feast import FeatureView, Field
from feast.types import Array, Float32, Int64, PrimitiveFeastType, String, UnixTimestamp

from crossmodal.modalities import MODALITIES
from feature_repo.data_sources import (
    embeddings_sources,
    events_source,
    item_statistics_source,
    taste_sources,
    user_recommendations_source,
    user_statistics_source,
)
from feature_repo.entities import OWNER, event, item, user

# Content, counts and tastes stay true until a newer row replaces them. Zero would say so to a
# historical join, but makes the first `feast materialize-incremental` begin one year ago and drop
# what is older; two thousand years, the most that can be taken from today, say it to both.
NEVER_EXPIRES = timedelta(days=730_000)

# A list ranks the catalogue of its day: a historical join after a month finds none. The SQLite
# store does not look at the TTL when it is read; `generated_at` tells an app how old a list is.
LISTS_EXPIRE = timedelta(days=30)


def _key(entity_name: str) -> Field:
    return Field(
        name=f"{entity_name}_id", dtype=String, description=f"Join key of the {entity_name}."
    )


def _shared_vector(name: str, description: str) -> Field:
    return Field(
        name=name,
        dtype=Array(Float32),
        description=description,
        tags={"space": "shared", "norm": "unit"},
    )


def _item_embedding(modality: str) -> FeatureView:
    return FeatureView(
        name=f"item_{modality}_embedding",
        entities=[item],
        ttl=NEVER_EXPIRES,
        schema=[
            _key("item"),
            _shared_vector(
                f"{modality}_embedding",
                f"The item's {modality} in the space all modalities share.",
            ),
            Field(
                name=f"{modality}_encoder",
                dtype=String,
                description="Name of the encoder that made the vector.",
            ),
        ],
        source=embeddings_sources[modality],
        online=True,
        description=f"The {modality} of an item in the shared space. An item without has no row.",
        owner=OWNER,
        tags={"stage": "embeddings", "modality": modality},
    )


def _item_features(modality: str) -> FeatureView:
    return FeatureView(
        name=f"item_{modality}_features",
        entities=[item],
        ttl=NEVER_EXPIRES,
        schema=[
            _key("item"),
            Field(
                name=f"{modality}_features",
                dtype=Array(Float32),
                description="The tower's own features, before alignment and not standardised.",
                tags={"space": "tower"},
            ),
        ],
        source=embeddings_sources[modality],
        online=False,
        description=f"What the {modality} tower says of an item: read in training, never online.",
        owner=OWNER,
        tags={"stage": "embeddings", "modality": modality},
    )


def _user_taste(modality: str) -> FeatureView:
    return FeatureView(
        name=f"user_taste_{modality}",
        entities=[user],
        ttl=NEVER_EXPIRES,
        schema=[
            _key("user"),
            _shared_vector(
                f"{modality}_taste",
                f"Mean {modality} embedding of what the user did, weighted by value, unit norm.",
            ),
        ],
        source=taste_sources[modality],
        online=True,
        description=f"What a user likes, seen through the {modality} of the items.",
        owner=OWNER,
        tags={"stage": "behaviour", "modality": modality},
    )


def _statistics_schema(entity_name: str, other: str) -> list[Field]:
    def field(name: str, dtype: PrimitiveFeastType, description: str) -> Field:
        return Field(name=f"{entity_name}_{name}", dtype=dtype, description=description)

    return [
        _key(entity_name),
        field("n_events", Int64, "Events so far."),
        field(f"n_{other}s", Int64, f"Distinct {other}s so far."),
        field("value_mean", Float32, "Mean value of the events so far."),
        field("value_std", Float32, "Population deviation of the values; 0 for a single event."),
        field("n_events_7d", Int64, "Events in the 7 days up to the last event, which counts."),
        field("n_events_30d", Int64, "Events in the 30 days up to the last event, which counts."),
        field("first_event_at", Int64, "Instant of the first event, UTC microseconds."),
        field("last_event_at", Int64, "Instant of the last event, UTC microseconds."),
    ]


item_embeddings = [_item_embedding(modality) for modality in MODALITIES]
item_features = [_item_features(modality) for modality in MODALITIES]
user_tastes = [_user_taste(modality) for modality in MODALITIES]

item_statistics = FeatureView(
    name="item_statistics",
    entities=[item],
    ttl=NEVER_EXPIRES,
    schema=_statistics_schema("item", "user"),
    source=item_statistics_source,
    online=True,
    description="How an item was received, from events strictly before the asked instant.",
    owner=OWNER,
    tags={"stage": "behaviour"},
)

user_statistics = FeatureView(
    name="user_statistics",
    entities=[user],
    ttl=NEVER_EXPIRES,
    schema=_statistics_schema("user", "item"),
    source=user_statistics_source,
    online=True,
    description="How active a user is, from events strictly before the asked instant.",
    owner=OWNER,
    tags={"stage": "behaviour"},
)

user_recommendations = FeatureView(
    name="user_recommendations",
    entities=[user],
    ttl=LISTS_EXPIRE,
    schema=[
        _key("user"),
        Field(name="item_ids", dtype=Array(String), description="Recommended items, best first."),
        Field(name="scores", dtype=Array(Float32), description="The model's score of each item."),
        Field(name="reasons", dtype=Array(String), description="Why, one sentence an item."),
        Field(name="model_version", dtype=String, description="The model that made the list."),
        Field(
            name="generated_at",
            dtype=UnixTimestamp,
            description="When the list was made, in whole seconds: Feast keeps no finer online.",
        ),
    ],
    source=user_recommendations_source,
    online=True,
    description="The list to show a user; the key `new_user` holds the one for a newcomer.",
    owner=OWNER,
    tags={"stage": "recommendations"},
)

reported_events = FeatureView(
    name="reported_events",
    entities=[event],
    ttl=NEVER_EXPIRES,
    schema=[
        _key("event"),
        Field(name="user_id", dtype=String, description="Who did it, by keyed pseudonym."),
        Field(name="item_id", dtype=String, description="What it is about."),
        Field(name="event_type", dtype=String, description="What was done, such as click."),
    ],
    source=events_source,
    online=False,
    description="What apps reported. Push events here; the features made of them are other views.",
    owner=OWNER,
    tags={"stage": "behaviour"},
)

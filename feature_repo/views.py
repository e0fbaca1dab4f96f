"""The feature views: what is known of items and users, and from which instant.

A row's event_timestamp is the first instant at which its values may be used.
"""

from datetime import timedelta

from feast import Entity, FeatureView, Field
from feast.data_source import DataSource
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


def _view(
    name: str,
    entity: Entity,
    source: DataSource,
    description: str,
    schema: list[Field],
    *,
    ttl: timedelta = NEVER_EXPIRES,
    online: bool = True,
    **tags: str,
) -> FeatureView:
    """A view of an entity, whose join key comes before the fields of `schema`."""
    return FeatureView(
        name=name,
        entities=[entity],
        ttl=ttl,
        schema=[_key(entity.name), *schema],
        source=source,
        online=online,
        description=description,
        owner=OWNER,
        tags=tags,
    )


def _item_embedding(modality: str) -> FeatureView:
    name = f"{modality}_embedding"
    encoder = "Name of the encoder that made the vector."
    return _view(
        f"item_{name}",
        item,
        embeddings_sources[modality],
        f"The {modality} of an item in the shared space. An item without has no row.",
        [
            _shared_vector(name, f"The item's {modality} in the space all modalities share."),
            Field(name=f"{modality}_encoder", dtype=String, description=encoder),
        ],
        stage="embeddings",
        modality=modality,
    )


def _item_features(modality: str) -> FeatureView:
    own = Field(
        name=f"{modality}_features",
        dtype=Array(Float32),
        description="The tower's own features, before alignment and not standardised.",
        tags={"space": "tower"},
    )
    return _view(
        f"item_{modality}_features",
        item,
        embeddings_sources[modality],
        f"What the {modality} tower says of an item: read in training, never online.",
        [own],
        online=False,
        stage="embeddings",
        modality=modality,
    )


def _user_taste(modality: str) -> FeatureView:
    mean = f"Mean {modality} embedding of what the user did, weighted by value, unit norm."
    return _view(
        f"user_taste_{modality}",
        user,
        taste_sources[modality],
        f"What a user likes, seen through the {modality} of the items.",
        [_shared_vector(f"{modality}_taste", mean)],
        stage="behaviour",
        modality=modality,
    )


def _statistics(entity_name: str, other: str) -> list[Field]:
    def field(name: str, dtype: PrimitiveFeastType, description: str) -> Field:
        return Field(name=f"{entity_name}_{name}", dtype=dtype, description=description)

    return [
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

item_statistics = _view(
    "item_statistics",
    item,
    item_statistics_source,
    "How an item was received, from events strictly before the asked instant.",
    _statistics("item", "user"),
    stage="behaviour",
)

user_statistics = _view(
    "user_statistics",
    user,
    user_statistics_source,
    "How active a user is, from events strictly before the asked instant.",
    _statistics("user", "item"),
    stage="behaviour",
)

user_recommendations = _view(
    "user_recommendations",
    user,
    user_recommendations_source,
    "The list to show a user; the key `new_user` holds the one for a newcomer.",
    [
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
    ttl=LISTS_EXPIRE,
    stage="recommendations",
)

reported_events = _view(
    "reported_events",
    event,
    events_source,
    "What apps reported. Push events here; the features made of them are other views.",
    [
        Field(name="user_id", dtype=String, description="Who did it, by keyed pseudonym."),
        Field(name="item_id", dtype=String, description="What it is about."),
        Field(name="event_type", dtype=String, description="What was done, such as click."),
    ],
    online=False,
    stage="behaviour",
)

"""The groups of features that are read together."""

from feast import FeatureService

from feature_repo.entities import OWNER
from feature_repo.views import (
    item_attributes_embedding,
    item_audio_embedding,
    item_image_embedding,
    item_reviews_embedding,
    item_statistics,
    item_text_embedding,
    user_recommendations,
    user_statistics,
    user_taste_attributes,
    user_taste_audio,
    user_taste_image,
    user_taste_reviews,
    user_taste_text,
)

ranking = FeatureService(
    name="ranking",
    features=[user_statistics, item_statistics],
    description="What a ranker reads of a user and a candidate item, in training and online.",
    owner=OWNER,
    tags={"stage": "ranking"},
)

retrieval = FeatureService(
    name="retrieval",
    features=[
        item_text_embedding,
        item_image_embedding,
        item_audio_embedding,
        item_reviews_embedding,
        item_attributes_embedding,
        user_taste_text,
        user_taste_image,
        user_taste_audio,
        user_taste_reviews,
        user_taste_attributes,
    ],
    description="Item vectors and user tastes in the shared space, to find candidates.",
    owner=OWNER,
    tags={"stage": "retrieval"},
)

recommendations = FeatureService(
    name="recommendations",
    features=[user_recommendations],
    description="The finished list of a user, for an app to show.",
    owner=OWNER,
    tags={"stage": "recommendations"},
)

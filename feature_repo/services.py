"""The groups of features that are read together."""

from feast import FeatureService

from feature_repo.entities import OWNER
from feature_repo.views import (
    item_embeddings,
    item_statistics,
    user_recommendations,
    user_statistics,
    user_tastes,
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
    features=[*item_embeddings, *user_tastes],
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

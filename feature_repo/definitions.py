"""What `feast plan` and `feast apply` find: every object of the feature store, once."""

from feature_repo.entities import event, item, project, user
from feature_repo.services import ranking, recommendations, retrieval
from feature_repo.views import (
    item_embeddings,
    item_features,
    item_statistics,
    reported_events,
    user_recommendations,
    user_statistics,
    user_tastes,
)

__all__ = [
    "event",
    "item",
    "item_statistics",
    "project",
    "ranking",
    "recommendations",
    "reported_events",
    "retrieval",
    "user",
    "user_recommendations",
    "user_statistics",
]

# Feast takes what has a name of its own in this module, and does not look into lists.
globals().update({view.name: view for view in (*item_embeddings, *item_features, *user_tastes)})

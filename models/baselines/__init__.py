"""What every model must beat: chance, popularity, neighbours, linear and sequential models."""

from models.baselines.als import ALS, ALSConfig
from models.baselines.cold_start_map import (
    ColdStartMap,
    ColdStartMapConfig,
    ContentPopularity,
)
from models.baselines.content import Content, ContentConfig
from models.baselines.ease import EASE, EASEConfig
from models.baselines.item_knn import ItemKNN, ItemKNNConfig
from models.baselines.popularity import Popularity
from models.baselines.random_ranking import RandomRanking
from models.baselines.recent_popularity import RecentPopularity, RecentPopularityConfig
from models.baselines.transition import Transition, TransitionConfig

__all__ = [
    "ALS",
    "EASE",
    "ALSConfig",
    "ColdStartMap",
    "ColdStartMapConfig",
    "Content",
    "ContentConfig",
    "ContentPopularity",
    "EASEConfig",
    "ItemKNN",
    "ItemKNNConfig",
    "Popularity",
    "RandomRanking",
    "RecentPopularity",
    "RecentPopularityConfig",
    "Transition",
    "TransitionConfig",
]

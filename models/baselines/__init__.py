"""What every model must beat: chance, popularity, and one modality's nearest items."""

from models.baselines.content import Content, ContentConfig
from models.baselines.popularity import Popularity
from models.baselines.random_ranking import RandomRanking

__all__ = ["Content", "ContentConfig", "Popularity", "RandomRanking"]

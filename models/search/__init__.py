"""The search for settings: where it looks, how it judges, and what it found.

`study` loads Optuna, which takes a second, so that it is not among the names here.
"""

from models.search.best_settings import BestSettings, BestSettingsError, read_best, write_best
from models.search.spaces import SPACES, Space

__all__ = ["SPACES", "BestSettings", "BestSettingsError", "Space", "read_best", "write_best"]

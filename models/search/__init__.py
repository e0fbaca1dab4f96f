"""The search for settings: how it judges, and what it found.

`study` loads Optuna, which takes a second, so that it is not among the names here.
"""

from models.search.best_settings import BestSettings, BestSettingsError, read_best, write_best

__all__ = ["BestSettings", "BestSettingsError", "read_best", "write_best"]

"""Every setting of the platform, a module per subject, in one typed class.

A value comes from, in this order: an environment variable `CROSSMODAL_<NAME>`, a line in `.env`
in the working folder, the default of its field. Nothing else in the project reads the environment.
"""

from crossmodal.settings.models import Evaluation
from crossmodal.settings.remembered_source import (
    RememberedSource,
    RememberedSourceError,
    load_settings,
    remember_source,
)
from crossmodal.settings.settings import ENV_PREFIX, Settings, unread_variables, without_secrets

__all__ = [
    "ENV_PREFIX",
    "Evaluation",
    "RememberedSource",
    "RememberedSourceError",
    "Settings",
    "load_settings",
    "remember_source",
    "unread_variables",
    "without_secrets",
]

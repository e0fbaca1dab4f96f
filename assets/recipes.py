"""With what settings the platform fits the models of the catalogue."""

from crossmodal.settings import Settings
from models.catalogue import CATALOGUE, SPACES, Choices, ModelEntry, require_models


def choices_of(entry: ModelEntry, settings: Settings) -> Choices:
    """What a model is built from: its choices, and the best settings that CROSSMODAL_TUNED names.

    A change fits it again.

    Raises:
        BestSettingsError: there is no such file of best settings.
    """
    return {**entry.choose(settings), **_tuned(entry.name, settings)}


def wanted(entry: ModelEntry, settings: Settings) -> bool:
    """Whether a run fits the model."""
    return not entry.optional or entry.name in settings.extra_models


def require_known_models(settings: Settings) -> None:
    """Refuses settings that name models which are not there, or not of the kind.

    Raises:
        UnknownModelError: the message names the setting and what it can hold.
    """
    optional = [entry.name for entry in CATALOGUE if entry.optional]
    require_models("extra_models", settings.extra_models, optional)
    require_models("search_models", settings.search_models, SPACES)
    trained = [entry.name for entry in CATALOGUE if entry.learns]
    require_models("warm_start", settings.warm_start, trained)


def _tuned(name: str, settings: Settings) -> Choices:
    if settings.tuned == "none":
        return {}
    from models.search import read_best

    best = read_best(settings.tuned)
    return best[name].settings if name in best else {}

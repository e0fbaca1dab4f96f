"""Every model that the platform knows, in the order of every table."""

from collections.abc import Iterable, Mapping

from models.catalogue.counting import COUNTING
from models.catalogue.entry import ModelEntry
from models.catalogue.learning import LEARNING
from models.catalogue.space import Space

CATALOGUE: tuple[ModelEntry, ...] = (*COUNTING, *LEARNING)

SPACES: Mapping[str, Space] = {
    entry.name: entry.space for entry in CATALOGUE if entry.space is not None
}
"""What can be searched, by the name of the model."""


class UnknownModelError(ValueError):
    """A setting names a model that is not there; the message names those that are."""


def entry_of(name: str) -> ModelEntry:
    """The entry of a model.

    Raises:
        UnknownModelError: there is no model of that name.
    """
    by_name = {entry.name: entry for entry in CATALOGUE}
    if name not in by_name:
        raise UnknownModelError(f"There is no model {name!r}; known are {', '.join(by_name)}.")
    return by_name[name]


def require_models(setting: str, named: Iterable[str], known: Iterable[str]) -> None:
    """Refuses names of models that a setting cannot take.

    Args:
        setting: its name, for the error.
        named: what it names.
        known: what it may name.

    Raises:
        UnknownModelError: a name is not among the known ones.
    """
    possible = sorted(known)
    wrong = sorted(set(named) - set(possible))
    if wrong:
        raise UnknownModelError(
            f"CROSSMODAL_{setting.upper()} names {', '.join(wrong)}; it can name "
            f"{', '.join(possible)}."
        )

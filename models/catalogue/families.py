"""Which class loads which family of model."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import cast

from models.catalogue.entries import CATALOGUE
from models.persistence import ModelFormatError, family_of
from models.protocol import Trainable

FAMILIES: Mapping[str, str] = {
    **{entry.family or entry.name: entry.implementation for entry in CATALOGUE},
    # Never fitted for itself: one of what the hybrid stacks on cold items.
    "content_popularity": "models.baselines:ContentPopularity",
}
"""`module:class` of each family; a module is imported when a model of it is loaded, since some take
seconds."""


def family_class(family: str) -> type[Trainable]:
    """The class of a family.

    Raises:
        ModelFormatError: there is no such family.
    """
    if family not in FAMILIES:
        raise ModelFormatError(
            f"There is no family {family!r} of models; known are {', '.join(sorted(FAMILIES))}."
        )
    module, name = FAMILIES[family].split(":")
    return cast(type[Trainable], getattr(import_module(module), name))


def load_model(folder: Path) -> Trainable:
    """The model in a folder, whatever its family.

    Raises:
        ModelFormatError: the folder does not hold a model of a known family.
    """
    return family_class(family_of(folder)).load(folder)

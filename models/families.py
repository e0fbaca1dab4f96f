"""Which class loads which family of model."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import cast

from models.persistence import ModelFormatError, family_of
from models.protocol import Trainable

FAMILIES: Mapping[str, tuple[str, str]] = {
    "als": ("models.baselines", "ALS"),
    "cold_start_map": ("models.baselines", "ColdStartMap"),
    "content_popularity": ("models.baselines", "ContentPopularity"),
    "content": ("models.baselines", "Content"),
    "ease": ("models.baselines", "EASE"),
    "gat": ("models.gat", "GAT"),
    "hmdf": ("models.hmdf", "HMDF"),
    "item_knn": ("models.baselines", "ItemKNN"),
    "matrix_factorisation": ("models.matrix_factorisation", "MatrixFactorisation"),
    "mmnn": ("models.mmnn", "MMNN"),
    "popularity": ("models.baselines", "Popularity"),
    "random": ("models.baselines", "RandomRanking"),
    "recent_popularity": ("models.baselines", "RecentPopularity"),
    "transformer": ("models.transformer", "Transformer"),
    "transition": ("models.baselines", "Transition"),
}
"""Module and class of each family; a module is imported when a model of it is loaded, since some
take seconds."""


def family_class(family: str) -> type[Trainable]:
    """The class of a family.

    Raises:
        ModelFormatError: there is no such family.
    """
    if family not in FAMILIES:
        raise ModelFormatError(
            f"There is no family {family!r} of models; known are {', '.join(sorted(FAMILIES))}."
        )
    module, name = FAMILIES[family]
    return cast(type[Trainable], getattr(import_module(module), name))


def load_model(folder: Path) -> Trainable:
    """The model in a folder, whatever its family.

    Raises:
        ModelFormatError: the folder does not hold a model of a known family.
    """
    return family_class(family_of(folder)).load(folder)

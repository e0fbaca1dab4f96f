"""Which settings of each family are searched, and between which bounds.

Epochs, rounds and patience are no part of a space: they are a budget, and more is never worse on
validation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any

from pydantic import BaseModel

Settings = Mapping[str, Any]
"""Values by the names of a config's fields."""


@dataclass(frozen=True)
class Real:
    """A number from `low` to `high`, both included; `log` where its order of magnitude counts."""

    low: float
    high: float
    log: bool = False

    def holds(self, value: Any) -> bool:
        """Whether the value lies within the bounds."""
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True)
class Whole(Real):
    """A whole number from `low` to `high`, both included; `log` as for `Real`."""

    low: int
    high: int

    def holds(self, value: Any) -> bool:
        """Whether the value is whole and lies within the bounds."""
        return isinstance(value, int) and super().holds(value)


@dataclass(frozen=True)
class OneOf:
    """One of some values."""

    values: tuple[int | float | str, ...]

    def holds(self, value: Any) -> bool:
        """Whether the value is one of them."""
        return value in self.values


Parameter = Real | Whole | OneOf


@dataclass(frozen=True)
class Space:
    """What is searched of one family.

    Attributes:
        config: module and class of its settings; imported when it is asked for, since some take
            seconds.
        parameters: by the name of a field; `field.key` is one entry of a field that is a mapping.
        warm_steps: epochs, or rounds of trees, that every trial is given before it may be pruned.
        step: a trial is judged every so many of them.
    """

    config: tuple[str, str]
    parameters: Mapping[str, Parameter]
    warm_steps: int = 2
    step: int = 1

    @cached_property
    def config_class(self) -> type[BaseModel]:
        """The class of the settings."""
        module, name = self.config
        found: type[BaseModel] = getattr(import_module(module), name)
        return found

    def chosen(self, config: BaseModel) -> dict[str, Any]:
        """The value of every parameter in a config."""
        return flat(config.model_dump(), self.parameters)

    def unknown(self, settings: Settings) -> list[str]:
        """Names in the settings that are not searched, or whose value is out of bounds."""
        values = flat(settings, self.parameters)
        parts = {name.partition(".")[0] for name in values}
        wrong = [name for name, value in values.items() if not self.parameters[name].holds(value)]
        return sorted({*settings} - parts) + wrong


def flat(settings: Settings, names: Mapping[str, Parameter]) -> dict[str, Any]:
    """The values of the named parameters that the settings hold; `field.key` for a mapping's."""
    values = {}
    for name in names:
        field, _, key = name.partition(".")
        if field in settings and (not key or key in settings[field]):
            values[name] = settings[field][key] if key else settings[field]
    return values


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a config from the values of parameters: the inverse of `flat`."""
    settings: dict[str, Any] = {}
    for name, value in values.items():
        field, _, key = name.partition(".")
        if key:
            settings.setdefault(field, {})[key] = value
        else:
            settings[field] = value
    return settings


_DROPOUT = Real(0.0, 0.6)
_DECAY = Real(0.6, 1.0)

SPACES: Mapping[str, Space] = {
    "item_knn": Space(
        ("models.baselines", "ItemKNNConfig"),
        {
            "neighbours": Whole(20, 500, log=True),
            "shrinkage": Real(0.0, 100.0),
            "decay": _DECAY,
        },
    ),
    "ease": Space(
        ("models.baselines", "EASEConfig"),
        {"strength": Real(10.0, 3000.0, log=True), "decay": _DECAY},
    ),
    "transition": Space(
        ("models.baselines", "TransitionConfig"),
        {
            "steps": Whole(2, 60, log=True),
            "step_decay": _DECAY,
            "last": Whole(2, 60, log=True),
            "decay": _DECAY,
            "power": Real(0.0, 0.7),
            "shrinkage": Real(0.5, 50.0, log=True),
        },
    ),
    "als": Space(
        ("models.baselines", "ALSConfig"),
        {
            "factors": Whole(16, 128, log=True),
            "confidence": Real(0.25, 40.0, log=True),
            "strength": Real(1.0, 100.0, log=True),
            "iterations": Whole(5, 20),
        },
    ),
    "cold_start_map": Space(
        ("models.baselines", "ColdStartMapConfig"),
        {
            "factors": Whole(32, 256, log=True),
            "confidence": Real(0.5, 20.0, log=True),
            "shrinkage": Real(1.0, 100.0, log=True),
            "components": Whole(16, 128, log=True),
            "decay": _DECAY,
        },
    ),
    "mmnn": Space(
        ("models.mmnn", "MMNNConfig"),
        {
            "dim": OneOf((32, 64, 128)),
            "layers": Whole(0, 3),
            "heads": Whole(1, 8),
            "history": Whole(20, 200, log=True),
            "components": Whole(8, 64, log=True),
            "dropout": _DROPOUT,
            "id_dropout": _DROPOUT,
            "modality_dropout": _DROPOUT,
            "rating_weight": Real(0.0, 1.0),
            "learning_rate": Real(1e-3, 3e-2, log=True),
            "averaging": Real(0.8, 0.99),
            "weight_decay": Real(1e-3, 1.0, log=True),
            "batch_size": OneOf((128, 256, 512)),
            "horizon": Whole(5, 50, log=True),
        },
    ),
    "transformer": Space(
        ("models.transformer", "TransformerConfig"),
        {
            "dim": OneOf((32, 64, 128)),
            "heads": OneOf((1, 2, 4, 8)),
            "layers": Whole(0, 3),
            "history": Whole(16, 64, log=True),
            "components": Whole(8, 64, log=True),
            "transition_gain": Real(0.0, 300.0),
            "dropout": _DROPOUT,
            "id_dropout": _DROPOUT,
            "modality_dropout": _DROPOUT,
            "learning_rate": Real(3e-4, 1e-2, log=True),
            "averaging": Real(0.8, 0.99),
            "weight_decay": Real(1e-3, 1.0, log=True),
            "positions": Whole(4, 16, log=True),
            "horizon": Whole(5, 50, log=True),
            "horizon_decay": _DECAY,
            "focus": Real(0.0, 1.0),
        },
    ),
    "gat": Space(
        ("models.gat", "GATConfig"),
        {
            "dim": OneOf((32, 64, 128)),
            "layers": Whole(1, 2),
            "heads": OneOf((1, 2, 4, 8)),
            "user_heads": Whole(1, 8),
            "history": Whole(20, 100, log=True),
            "components": Whole(8, 64, log=True),
            "neighbours": Whole(4, 30, log=True),
            "dropout": _DROPOUT,
            "attention_dropout": _DROPOUT,
            "id_dropout": _DROPOUT,
            "modality_dropout": _DROPOUT,
            "learning_rate": Real(1e-3, 3e-2, log=True),
            "averaging": Real(0.8, 0.99),
            "weight_decay": Real(1e-3, 1.0, log=True),
            "horizon": Whole(5, 50, log=True),
        },
    ),
    # Only what shapes the trees: the retrievers and their slices are the same in every trial.
    "hmdf": Space(
        ("models.hmdf", "HMDFConfig"),
        {
            "leaves": Whole(7, 63, log=True),
            "learning_rate": Real(0.01, 0.2, log=True),
            "leaf_rows": Whole(10, 300, log=True),
            "penalty": Real(0.1, 100.0, log=True),
            "feature_share": Real(0.2, 1.0),
            "row_share": Real(0.4, 1.0),
            "truncation": Whole(10, 60, log=True),
        },
        warm_steps=60,
        step=20,
    ),
}
"""The searched settings, by the name of the model."""

"""Between which bounds the settings of a model are searched.

Epochs, rounds and patience are no part of a space: they are a budget, and more is never worse on
validation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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
    """What is searched of one model.

    Attributes:
        parameters: by the name of a field; `field.key` is one entry of a field that is a mapping.
        warm_steps: epochs, or rounds of trees, that every trial is given before it may be pruned.
        step: a trial is judged every so many of them.
    """

    parameters: Mapping[str, Parameter]
    warm_steps: int = 2
    step: int = 1

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

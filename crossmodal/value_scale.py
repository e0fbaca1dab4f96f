"""How strong a reported event is, on the scale that a catalogue's own events have."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MIDDLE, _STRONG = 0.5, 0.9


@dataclass(frozen=True)
class ValueScale:
    """Two values of a catalogue's events, so that apps need not know its scale.

    Attributes:
        middle: half of the events are at most as strong.
        strong: nine in ten are.
    """

    middle: float
    strong: float

    @staticmethod
    def of(values: NDArray[np.floating]) -> "ValueScale":
        """The scale of some events' values (n,); 1 where there are none."""
        if not len(values):
            return ValueScale(1.0, 1.0)
        middle, strong = np.quantile(values, [_MIDDLE, _STRONG]).tolist()
        return ValueScale(middle, strong)

    def value(self, event_type: str, reported: float | None) -> float:
        """The value of an event: what the app says, else strong for a like, middle for others."""
        if reported is not None:
            return reported
        return self.strong if event_type == "like" else self.middle

"""How far a figure depends on what nothing decides: the order of events that share an instant."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class TieSensitivity:
    """One figure under several orders of ties.

    Attributes:
        seeds: of the orders.
        means: (len(seeds),) the mean over users under each.
    """

    seeds: tuple[int, ...]
    means: Values

    @property
    def mean(self) -> float:
        """Mean of the figures."""
        return float(self.means.mean())

    @property
    def spread(self) -> float:
        """The largest figure less the smallest."""
        return float(np.ptp(self.means))


def tie_sensitivity(
    figures: Callable[[int], Values], seeds: Sequence[int] = (42, 43, 44, 45, 46)
) -> TieSensitivity:
    """Measures the same figure once per seed.

    Args:
        figures: from the seed of `models.assembly.indexed_events` to one value per user; it
            splits, fits and measures again, since the order of ties decides what is held out. Users
            may differ from seed to seed; NaN is a user who could not be measured.
        seeds: at least one.
    """
    return TieSensitivity(tuple(seeds), np.array([np.nanmean(figures(seed)) for seed in seeds]))

"""The gate between a new model and the users."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation import PairedDifference, paired_difference

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Decision:
    """Whether a candidate may become the champion, and why.

    Attributes:
        promote: yes or no.
        reason: one sentence for the log.
        against_champion: candidate - champion; None where there is no champion.
        against_popularity: candidate - popularity.
    """

    promote: bool
    reason: str
    against_champion: PairedDifference | None
    against_popularity: PairedDifference


def decide(
    candidate: Values,
    champion: Values | None,
    popularity: Values,
    *,
    samples: int = 1000,
    seed: int = 42,
) -> Decision:
    """A candidate is refused where it is worse than the champion, or than popularity.

    Worse means that the paired 95 % interval of the difference lies wholly below 0, or that there
    is no user to compare on.

    Args:
        candidate: (n_users,) one metric a user on the newest events.
        champion: (n_users,) the same users' of the model in use; None before the first one.
        popularity: (n_users,) the same users' of the popularity baseline.
        samples: bootstrap resamples.
        seed: draws them.
    """
    popular = paired_difference(candidate, popularity, samples, seed)
    current = None if champion is None else paired_difference(candidate, champion, samples, seed)
    if not popular.n_users or (current is not None and not current.n_users):
        return Decision(False, "Refused: no user has events to compare on.", current, popular)
    if popular.high < 0:
        return Decision(False, f"Refused: {_says(popular, 'popularity')}.", current, popular)
    if current is None:
        return Decision(True, "Promoted: the first champion.", None, popular)
    if current.high < 0:
        return Decision(False, f"Refused: {_says(current, 'the champion')}.", current, popular)
    return Decision(True, f"Promoted: {_says(current, 'the champion')}.", current, popular)


def _says(difference: PairedDifference, other: str) -> str:
    return (
        f"differs from {other} by {difference.mean:+.4f} "
        f"[{difference.low:+.4f}, {difference.high:+.4f}] on {difference.n_users} users"
    )

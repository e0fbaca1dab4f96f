"""What a score of the trees means as a probability, so that others can be compared with it."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from models.data import Bools, Floats, Longs


@dataclass(frozen=True)
class ScoreScale:
    """log-odds that a candidate is chosen = slope · score + activity · log(1 + events) + base.

    Platt scaling (Platt 1999) of scores that the trees gave to what they had not seen. Who has done
    much does much next, so that the user's events count.

    Attributes:
        slope: more than 0.
        activity: weight of the user's events.
        base: what holds for all.
    """

    slope: float
    activity: float
    base: float

    @staticmethod
    def of(scores: Floats, events: Longs, chosen: Bools) -> "ScoreScale | None":
        """Fitted to candidates by the likelihood; None where a higher score is chosen less.

        Args:
            scores: (r,) of candidates.
            events: (r,) events of their users.
            chosen: (r,) whether they were chosen.
        """
        columns = np.column_stack([scores, np.log1p(events), np.ones(len(scores))]).astype(float)

        def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
            odds = columns @ weights
            error = 1 / (1 + np.exp(-odds)) - chosen
            value = (np.logaddexp(0, odds) - chosen * odds).mean() + _RIDGE * weights @ weights
            return float(value), columns.T @ error / len(error) + 2 * _RIDGE * weights

        slope, activity, base = minimize(loss, np.zeros(3), jac=True, method="L-BFGS-B").x
        if slope <= 0:
            return None
        return ScoreScale(float(slope), float(activity), float(base))

    def placed(self, odds: Floats, events: Longs) -> Floats:
        """The scores (r,) that mean these log-odds (r,) for users with so many events (r,)."""
        scores = (
            odds.astype(np.float64) - self.base - self.activity * np.log1p(events)
        ) / self.slope
        return np.asarray(scores, dtype=np.float32)


_RIDGE = 1e-6

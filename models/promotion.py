"""The gate between a new model and the users."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation import Comparison, PairedDifference, compared, paired_difference

Values = NDArray[np.float64]

SIGNIFICANT = 0.05
"""Below this p, after Holm's correction, one model is called better than another."""


@dataclass(frozen=True)
class Decision:
    """Whether a candidate may become the champion, and why.

    Attributes:
        promote: yes or no.
        reason: one sentence for the log.
        fault: why not, a clause; empty where it may.
        against_champion: candidate - champion; None where there is no champion.
        against_popularity: candidate - popularity.
    """

    promote: bool
    reason: str
    fault: str
    against_champion: PairedDifference | None
    against_popularity: PairedDifference


def decide(
    candidate: Values,
    champion: Values | None,
    popularity: Values,
    *,
    margin: float = 0.0,
    samples: int = 1000,
    seed: int = 42,
) -> Decision:
    """A candidate is refused where it is worse than the champion, or than popularity.

    Worse means that the paired 95 % interval of the difference lies wholly below 0, for the
    champion below -margin, or that there is no user to compare on.

    Args:
        candidate: (n_users,) one metric per user on the test events.
        champion: (n_users,) the same users' of the model in use; None before the first one.
        popularity: (n_users,) the same users' of the popularity baseline.
        margin: how far below the champion's figure is still accepted.
        samples: bootstrap resamples.
        seed: draws them.
    """
    popular = paired_difference(candidate, popularity, samples, seed)
    current = None if champion is None else paired_difference(candidate, champion, samples, seed)
    fault = _fault(current, popular, margin)
    reason = f"Refused: {fault}."
    if not fault:
        reason = "It is the first champion."
        if current is not None:
            reason = f"Promoted: {_says(current, 'the champion')}."
    return Decision(not fault, reason, fault, current, popular)


def _fault(current: PairedDifference | None, popular: PairedDifference, margin: float) -> str:
    """Why a candidate is refused, a clause; empty where it is not."""
    if not popular.n_users or (current is not None and not current.n_users):
        return "no user has events to compare on"
    if popular.high < 0:
        return _says(popular, "popularity")
    if current is not None and current.high < -margin:
        return _says(current, "the champion")
    return ""


@dataclass(frozen=True)
class Choice:
    """The model that validation chooses.

    Attributes:
        model: its name.
        value: its mean on the validation events.
        next_best: the model that comes next and its mean; None where there is no other.
    """

    model: str
    value: float
    next_best: tuple[str, float] | None

    @property
    def said(self) -> str:
        """The choice in words, without a full stop."""
        rest = "" if self.next_best is None else f"; next {_named(*self.next_best)}"
        return f"{self.model} has the best validation NDCG@10 ({_figure(self.value)}{rest})"


def choose(validation: Mapping[str, float]) -> Choice:
    """The model with the highest mean on validation; of equal ones the first by name.

    Args:
        validation: the mean of each candidate, of which there is at least one.
    """
    ordered = sorted(validation.items(), key=lambda entry: (-entry[1], entry[0]))
    return Choice(*ordered[0], ordered[1] if len(ordered) > 1 else None)


def against_all(
    champion: Values, others: Mapping[str, Values], *, samples: int, seed: int = 42
) -> dict[str, Comparison]:
    """The champion compared with all others on the test events; p is corrected for their number.

    Args:
        champion: (n_users,) a metric per user.
        others: (n_users,) the same of each other model, by name.
        samples: resamples of the users; see `models.evaluation.holm` for how many are needed.
        seed: draws them.
    """
    if not others:
        return {}
    others_values = np.stack(list(others.values()), axis=1)
    repeated = np.repeat(champion[:, None], len(others), axis=1)
    return dict(zip(others, compared(repeated, others_values, samples, seed), strict=True))


def better(compared_with: Mapping[str, Comparison]) -> list[str]:
    """The models that beat the champion after Holm's correction, the best of them first."""
    beating = [
        name
        for name, comparison in compared_with.items()
        if comparison.difference < 0 and comparison.p_holm < SIGNIFICANT
    ]
    return sorted(beating, key=lambda name: compared_with[name].difference)


def confirmed(compared_with: Mapping[str, Comparison]) -> str:
    """What the test events say of the champion, in words, without a full stop."""
    beating = better(compared_with)
    if not beating:
        return "no model is better beyond chance on the test events"
    return f"on the test events {is_better(beating[0], compared_with[beating[0]])}"


def is_better(model: str, champion_less_model: Comparison) -> str:
    """That a model beats the champion, and by how much, in words."""
    comparison = champion_less_model
    interval = f"[{-comparison.ci_high:+.4f}, {-comparison.ci_low:+.4f}]"
    return (
        f"{model} is better by {-comparison.difference:+.4f} {interval}, "
        f"p = {comparison.p_holm:.2g} (Holm), {comparison.n_users} users"
    )


def _says(difference: PairedDifference, other: str) -> str:
    return (
        f"differs from {other} by {difference.mean:+.4f} "
        f"[{difference.low:+.4f}, {difference.high:+.4f}] on {difference.n_users} users"
    )


def _named(model: str, value: float) -> str:
    return f"{model} {_figure(value)}"


def _figure(value: float) -> str:
    """A figure between 0 and 1 as tables print it: .1712."""
    return f"{value:.4f}".removeprefix("0")

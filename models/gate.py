"""What a candidate must keep to before it may answer: overall, for every segment, and in itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data import Bools, Longs
from models.evaluation import PairedDifference, paired_difference, simultaneous_intervals
from models.gate_health import Health
from models.promotion import Decision, decide

Values = NDArray[np.float64]

FEWEST_USERS = 20
"""A segment of fewer users is shown and decides nothing: its interval would say little."""

SHORT_HISTORY = 5
"""A user of at most so many training events is a new one."""

EVERYONE = "all"
"""The name of the segment of all users, as in the table `metrics`."""

NDCG, COVERAGE, CHANGED_BY = "ndcg_10", "coverage_10", "changed_by_"
"""What a figure measures; `changed_by_` goes before the name of a modality."""


@dataclass(frozen=True)
class Segment:
    """Some of the users that judge.

    Attributes:
        name: as the table `gate` calls it.
        users: (n_users,) True for those who belong to it.
    """

    name: str
    users: Bools


@dataclass(frozen=True)
class Measured:
    """A model as the gate sees it.

    Attributes:
        name: of its version, or of a baseline.
        values: (n_users,) NDCG@10 on the test events, of the same users for all models.
        coverage: share of the items that its lists of ten show; NaN where it was not measured.
    """

    name: str
    values: Values
    coverage: float = float("nan")


@dataclass(frozen=True)
class Limits:
    """What is still accepted.

    Attributes:
        margin: how far below the champion's the NDCG@10 of all users may surely lie.
        segment_margin: the same of a segment's users.
        coverage: least share of the champion's coverage.
        samples: bootstrap resamples.
        seed: draws them.
    """

    margin: float = 0.0
    segment_margin: float = 0.01
    coverage: float = 0.5
    samples: int = 1000
    seed: int = 42


@dataclass(frozen=True)
class SegmentFigure:
    """One thing that was compared: a row of the table `gate`.

    Attributes:
        measure: `ndcg_10`, `coverage_10`, or `changed_by_<modality>`, the share of the scores that
            changes when the modality's vectors are shuffled among the items.
        segment: whose figure it is; `all` is everyone.
        against: what the candidate is compared with; empty for nothing.
        users: how many the figure is of.
        candidate: its figure.
        incumbent: that of what it is compared with; NaN where there is none.
        difference: candidate less incumbent.
        low: lower end of its 95 % interval; NaN where there is none.
        high: upper end.
        decides: whether the candidate is refused if it does not pass.
        passed: whether it keeps to its limit.
    """

    measure: str
    segment: str
    against: str
    users: int
    candidate: float
    incumbent: float
    difference: float
    low: float
    high: float
    decides: bool
    passed: bool


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate may become the champion, and why.

    Attributes:
        promote: yes or no.
        reason: one sentence for the log.
        faults: every reason against it, a clause each; none where it may.
        figures: everything that was compared.
    """

    promote: bool
    reason: str
    faults: tuple[str, ...]
    figures: tuple[SegmentFigure, ...]


def segments_of(history: Longs, touching: Mapping[str, Bools]) -> tuple[Segment, ...]:
    """The segments that hold at least one user, in the order of the table.

    Args:
        history: (n_users,) training events of each user.
        touching: (n_users,) by the name of a kind of items, such as cold ones: who has a judged
            event on one of them.
    """
    low, high = np.quantile(history, [1 / 3, 2 / 3]) if len(history) else (0, 0)
    parts = {
        "new_users": history <= SHORT_HISTORY,
        "least_active": history <= low,
        "most_active": history > high,
        **touching,
    }
    return tuple(Segment(name, users) for name, users in parts.items() if users.any())


def judge(
    candidate: Measured,
    incumbent: Measured | None,
    yardsticks: Sequence[Measured],
    segments: Sequence[Segment],
    health: Health,
    limits: Limits,
) -> Verdict:
    """Whether a candidate may take over, by everything that was measured.

    Before a first champion there is nothing that a segment, the coverage or a dead modality could
    be worse than: they are shown, and decide nothing.

    Args:
        candidate: the model that would take over.
        incumbent: the champion; None where there is none.
        yardsticks: popularity, then any further baseline, which decides nothing.
        segments: of the users, from `segments_of`.
        health: what was found when the candidate was asked; see `models.gate_health`.
        limits: see `Limits`.
    """
    popularity = yardsticks[0]
    decision = decide(
        candidate.values,
        None if incumbent is None else incumbent.values,
        popularity.values,
        margin=limits.margin,
        samples=limits.samples,
        seed=limits.seed,
    )
    reference = popularity if incumbent is None else incumbent
    by_segment = tuple(
        _segment_figures(candidate, reference, segments, limits, decides=incumbent is not None)
    )
    coverage = () if incumbent is None else (_coverage(candidate, incumbent, limits),)
    figures = (
        *_overall(candidate, incumbent, yardsticks, decision, limits),
        *by_segment,
        *coverage,
        *_changes(health, decides=incumbent is not None),
    )
    faults = (
        *health.faults,
        *([decision.fault] if decision.fault else []),
        *(_fault(figure, limits) for figure in figures if _refuses(figure)),
    )
    reason = f"Refused: {'; '.join(faults)}." if faults else decision.reason
    return Verdict(not faults, reason, faults, figures)


def _overall(
    candidate: Measured,
    incumbent: Measured | None,
    yardsticks: Sequence[Measured],
    decision: Decision,
    limits: Limits,
) -> Iterator[SegmentFigure]:
    """All users: compared with the champion, with popularity, and with further baselines."""
    current, popular = decision.against_champion, decision.against_popularity
    if incumbent is not None and current is not None:
        passed = not current.high < -limits.margin
        yield _figure(EVERYONE, candidate, incumbent, current, decides=True, passed=passed)
    passed = not popular.high < 0
    yield _figure(EVERYONE, candidate, yardsticks[0], popular, decides=True, passed=passed)
    for other in yardsticks[1:]:
        found = paired_difference(candidate.values, other.values, limits.samples, limits.seed)
        passed = not found.high < 0
        yield _figure(EVERYONE, candidate, other, found, decides=False, passed=passed)


def _segment_figures(
    candidate: Measured,
    reference: Measured,
    segments: Sequence[Segment],
    limits: Limits,
    *,
    decides: bool,
) -> Iterator[SegmentFigure]:
    """Every segment, with intervals corrected for the number of those that have enough users."""
    both = ~(np.isnan(candidate.values) | np.isnan(reference.values))
    parts = [Segment(one.name, one.users & both) for one in segments if (one.users & both).any()]
    large = [part for part in parts if part.users.sum() >= FEWEST_USERS]
    corrected = _corrected(candidate, reference, large, both, limits)
    for part in parts:
        found = corrected.get(part.name) or _alone(candidate, reference, part, limits)
        yield _figure(
            part.name,
            candidate,
            reference,
            found,
            decides=decides and part.name in corrected,
            passed=not found.high < -limits.segment_margin,
            users=part.users,
        )


def _corrected(
    candidate: Measured,
    reference: Measured,
    segments: Sequence[Segment],
    both: Bools,
    limits: Limits,
) -> dict[str, PairedDifference]:
    """Differences of the segments, with intervals that hold for all of them at once."""
    if not segments:
        return {}
    members = np.stack([segment.users for segment in segments], axis=1)[both]
    differences = (candidate.values - reference.values)[both]
    found = simultaneous_intervals(differences, members, limits.samples, limits.seed)
    rows = np.stack([found.value, found.low, found.high], axis=1).tolist()
    return {
        segment.name: PairedDifference(mean, low, high, float("nan"), int(segment.users.sum()))
        for segment, (mean, low, high) in zip(segments, rows, strict=True)
    }


def _alone(
    candidate: Measured, reference: Measured, segment: Segment, limits: Limits
) -> PairedDifference:
    users = segment.users
    return paired_difference(
        candidate.values[users], reference.values[users], limits.samples, limits.seed
    )


def _figure(
    segment: str,
    candidate: Measured,
    reference: Measured,
    found: PairedDifference,
    *,
    decides: bool,
    passed: bool,
    users: Bools | None = None,
) -> SegmentFigure:
    """A row of NDCG@10, of some users or of all."""
    both = ~(np.isnan(candidate.values) | np.isnan(reference.values))
    chosen = both if users is None else both & users
    return SegmentFigure(
        NDCG,
        segment,
        reference.name,
        found.n_users,
        _mean(candidate.values[chosen]),
        _mean(reference.values[chosen]),
        found.mean,
        found.low,
        found.high,
        decides,
        passed,
    )


def _coverage(candidate: Measured, incumbent: Measured, limits: Limits) -> SegmentFigure:
    """Passes where one of the two was not measured, as nothing then shows that less is shown."""
    nan = float("nan")
    short = candidate.coverage < limits.coverage * incumbent.coverage
    return SegmentFigure(
        COVERAGE,
        EVERYONE,
        incumbent.name,
        len(candidate.values),
        candidate.coverage,
        incumbent.coverage,
        candidate.coverage - incumbent.coverage,
        nan,
        nan,
        True,
        not short,
    )


def _changes(health: Health, *, decides: bool) -> Iterator[SegmentFigure]:
    """How far each modality moves the candidate's scores."""
    nan = float("nan")
    for modality, share in health.changed.items():
        yield SegmentFigure(
            f"{CHANGED_BY}{modality}",
            EVERYONE,
            "",
            health.users,
            share,
            nan,
            nan,
            nan,
            nan,
            decides,
            share > 0,
        )


def _refuses(figure: SegmentFigure) -> bool:
    """Whether a figure refuses the candidate, apart from those that `decide` speaks of."""
    overall = figure.measure == NDCG and figure.segment == EVERYONE
    return figure.decides and not figure.passed and not overall


def _fault(figure: SegmentFigure, limits: Limits) -> str:
    """Why a figure refuses the candidate, a clause."""
    if figure.measure == COVERAGE:
        return (
            f"its lists show {figure.candidate:.1%} of the items, less than {limits.coverage:.0%} "
            f"of what the champion's show ({figure.incumbent:.1%})"
        )
    if figure.measure == NDCG:
        return (
            f"in the segment {figure.segment} it differs from the champion by "
            f"{figure.difference:+.4f} [{figure.low:+.4f}, {figure.high:+.4f}] on {figure.users} "
            f"users, wholly below -{limits.segment_margin:g}"
        )
    modality = figure.measure.removeprefix(CHANGED_BY)
    return f"it reads {modality}, but which item has which {modality} changes none of its scores"


def _mean(values: Values) -> float:
    return float(values.mean()) if len(values) else float("nan")

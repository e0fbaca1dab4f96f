"""Whether a model that was fitted again to everything may answer in place of the one judged.

Nothing can judge it: it has seen every event. So the same step is judged one tenth earlier, and the
refitted model is held against the version that was judged, which asks for no accuracy, and would
notice weights that diverged, a catalogue that was mixed up or a fit that learned nothing.
"""

import time
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.data import Bools, Dataset, Histories, Ints
from models.evaluation import PairedDifference, paired_difference, user_measure
from models.protocol import Recommender, Refittable
from models.splits import user_temporal

_TIMED_USERS = 20


@dataclass(frozen=True)
class RefitLimits:
    """What a refitted model must keep to.

    Attributes:
        overlap: least mean share of the judged version's lists that the refitted one's hold too.
        seconds: longest time that one list may take, as the median over some users.
        k: length of the lists.
    """

    overlap: float
    seconds: float
    k: int = 20


@dataclass(frozen=True)
class Soundness:
    """What was found.

    Attributes:
        overlap: mean over users of the share of the judged version's list that both hold; NaN where
            no user has a list, or a score is no number.
        seconds: median time of one list; NaN where a score is no number.
        faults: why the refitted model must not answer, a sentence without a full stop each; none
            where it may.
    """

    overlap: float
    seconds: float
    faults: tuple[str, ...]


def worth_of_newest(model: Refittable, dataset: Dataset, seed: int = 42) -> PairedDifference:
    """What a recipe gains by learning from the newest tenth of each user's events.

    It is fitted with and without the newest tenth of each user's training events, and judged by the
    validation events (NDCG@10), which neither fit sees. Not for a model that validates itself.

    Args:
        model: whose recipe it is; stays as it is.
        dataset: with training and validation events.
        seed: orders equal scores.

    Returns:
        The difference that the newest events make, over users.
    """
    train = dataset.train
    older = user_temporal(train, dataset.n_users)
    nothing = dataset.validation.take(np.zeros(len(dataset.validation), dtype=bool))

    def fitted(events: Bools) -> Recommender:
        subset = replace(
            dataset,
            train=train.take(events),
            context=dataset.context[events],
            validation=nothing,
        )
        return model.refitted(subset)

    measure = user_measure(dataset, dataset.validation, known=train, seed=seed)
    whole = measure(fitted(np.ones(len(train), dtype=bool)))
    return paired_difference(whole, measure(fitted(~older.test)))


def soundness(
    refitted: Recommender, reference: Recommender, users: Histories, limits: RefitLimits
) -> Soundness:
    """Compares a refitted model with the version that was judged.

    Both rank for the same users with their whole histories. Scores may be -inf where a model has
    none, even for other items than the judged version's, since a hybrid scores only its candidates.
    So it is the lists that must be equally long.

    Args:
        refitted: fitted to everything.
        reference: the judged version, in the indexes of the same catalogue
            (`models.reindexed.Reindexed`).
        users: some users' histories.
        limits: see `RefitLimits`.
    """
    newcomer = Histories.empty()
    for histories in (users, newcomer):
        scores = refitted.score(histories)
        if np.isnan(scores).any() or np.isposinf(scores).any():
            return Soundness(float("nan"), float("nan"), ("some of its scores are no numbers",))
    lists, expected = (_lists(model, users, limits.k) for model in (refitted, reference))
    overlap = _overlap(lists, expected)
    seconds = _seconds(refitted, users if len(users) else newcomer, limits.k)
    faults = []
    if _shorter(lists, expected).any():
        short = int(_shorter(lists, expected).sum())
        faults.append(f"{short} of {len(users)} users get fewer than {limits.k} items")
    offered, usual = (_lists(model, newcomer, limits.k) for model in (refitted, reference))
    if not (offered >= 0).any() or _shorter(offered, usual).any():
        faults.append("a newcomer gets no whole list")
    if len(users) and overlap < limits.overlap:
        faults.append(
            f"its lists share {overlap:.0%} of the judged version's, less than {limits.overlap:.0%}"
        )
    if seconds > limits.seconds:
        faults.append(f"a list takes {seconds:.3f} s, more than {limits.seconds:.3f} s")
    return Soundness(overlap, seconds, tuple(faults))


def _lists(model: Recommender, users: Histories, k: int) -> Ints:
    """Items (n_users, k), without what a user had; -1 where there are fewer."""
    return model.recommend(users, k, exclude=users).items


def _overlap(lists: Ints, expected: Ints) -> float:
    """Mean share of each row of `expected` (n_users, k) that the same row of `lists` holds.

    A user who had every item has an empty list, which says nothing.
    """
    longest = (expected >= 0).sum(axis=1)
    nonempty = longest > 0
    if not nonempty.any():
        return float("nan")
    there = (expected[:, :, None] == lists[:, None, :]).any(axis=2) & (expected >= 0)
    return float(np.mean(there.sum(axis=1)[nonempty] / longest[nonempty]))


def _shorter(lists: Ints, expected: Ints) -> NDArray[np.bool_]:
    """Which rows (n_users,) hold fewer items than those of the judged version."""
    shorter: NDArray[np.bool_] = (lists >= 0).sum(axis=1) < (expected >= 0).sum(axis=1)
    return shorter


def _seconds(model: Recommender, users: Histories, k: int) -> float:
    """Median processor time of one user's list, after a first one to warm up."""
    _lists(model, users.rows(0, 1), k)
    n_users = min(len(users), _TIMED_USERS)
    instants = [time.process_time()]
    for row in range(n_users):
        _lists(model, users.rows(row, row + 1), k)
        instants.append(time.process_time())
    return float(np.median([after - before for before, after in pairwise(instants)]))

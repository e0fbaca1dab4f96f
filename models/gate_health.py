"""Whether a model is in order by itself: its scores are numbers, and what it reads moves them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from crossmodal.modalities import DECLARED
from models.data import Floats, Histories, TokenTable
from models.evaluation import permuted
from models.protocol import Maskable, Recommender

FEWEST_ITEMS = 20
"""A modality that fewer items have may well change no score."""

_LEAST_CHANGE = 1e-6
"""Of the range of a model's scores; less is rounding."""

_OF_COLUMNS = frozenset(one.name for one in DECLARED if one.media is None and not one.of_words)
"""Made by no encoder that could be broken: items of one category alone have one vector."""


@dataclass(frozen=True)
class Health:
    """What was found.

    Attributes:
        users: how many were asked about.
        faults: why the model must not answer, a clause each; none where it may.
        changed: by modality that it reads, the share of the scores that changes when the vectors
            of the modality are shuffled among the items that have one.
    """

    users: int = 0
    faults: tuple[str, ...] = ()
    changed: Mapping[str, float] = field(default_factory=dict)


def health(
    model: Recommender,
    users: Histories,
    tokens: Mapping[str, TokenTable],
    reads: Sequence[str],
    seed: int = 42,
) -> Health:
    """Asks a model about some users, as it is and with each modality's vectors shuffled.

    They are shuffled rather than hidden, so that a model that looks only at whether an item has a
    picture counts as one that does not look at pictures.

    Args:
        model: fitted.
        users: some histories.
        tokens: of the model's items.
        reads: the modalities that it looks at; of a model that cannot be masked none is asked.
        seed: shuffles.
    """
    scores = model.score(users)
    if np.isnan(scores).any() or np.isposinf(scores).any():
        return Health(len(users), ("some of its scores are not numbers",))
    if not isinstance(model, Maskable):
        return Health(len(users))
    many = [name for name in reads if name in tokens and len(_with(tokens[name])) >= FEWEST_ITEMS]
    constant = tuple(name for name in many if _constant(tokens[name]))
    faults = tuple(
        f"all items have the same {name} vector" for name in constant if name not in _OF_COLUMNS
    )
    changed = {
        name: _changed(
            scores,
            model.masked({**tokens, name: permuted(tokens[name], seed)}).score(users),
        )
        for name in many
        if name not in constant
    }
    return Health(len(users), faults, changed)


def _with(table: TokenTable) -> np.ndarray:
    """The items that have a modality, each once."""
    return np.unique(table.items)


def _constant(table: TokenTable) -> bool:
    return not np.ptp(table.features, axis=0).any()


def _changed(before: Floats, after: Floats) -> float:
    """The share of the scores (n_users, n_items) that differ by more than rounding."""
    if not before.size:
        return 0.0
    finite = np.isfinite(before)
    least = _LEAST_CHANGE * float(np.ptp(before[finite])) if finite.any() else 0.0
    with np.errstate(invalid="ignore"):
        moved = np.abs(before - after) > least
    # Of two scores of which one is -inf the difference is not a number, or without end.
    return float((moved | (finite != np.isfinite(after))).mean())

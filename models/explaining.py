"""Why a model scored as it did: its own answer, or what leaving things out costs the score."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np

from crossmodal.modalities import MODALITIES
from models.data import Floats, Histories, Ints, TokenTable
from models.explanation import (
    BEHAVIOUR,
    POPULARITY,
    Explanation,
    less,
    shares_of,
    stacked,
    strongest,
)
from models.protocol import Extendable, Maskable, Recommender

_MOST_LEFT_OUT, _FEWEST_LEFT_OUT = 50, 10
"""Past items that are left out one by one, the newest ones."""
_EVENTS_AT_ONCE = 5000
"""Of all histories without one each: of a long history fewer items are left out."""
_OTHERS = 256


@runtime_checkable
class Explains(Protocol):
    """A model that has a way of its own to say what moved a score."""

    def explain(self, users: Histories, items: Ints) -> Explanation:
        """What moved the scores of `items` (n_users, k); an item of -1 has no reason."""
        ...


@runtime_checkable
class ExplainsScores(Explains, Protocol):
    """A model that need not read users again to explain the scores that it gave them."""

    def score_to_explain(self, users: Histories) -> tuple[Floats, Callable[[Ints], Explanation]]:
        """Scores (n_users, n_items) of all items, and what explains items (n_users, k) of them."""
        ...


@runtime_checkable
class ReadsModalities(Maskable, Protocol):
    """A model that can be masked and says what it reads.

    Attributes:
        modalities: the names of the modalities that it was fitted with.
    """

    modalities: tuple[str, ...]


@dataclass(frozen=True)
class Masks:
    """A model as if items had less than they have.

    Attributes:
        without: the model by the one modality that no item has.
        bare: the model where items have none at all: what it says then, it knows of behaviour.
        others: (n,) a few items of the catalogue, to say how much of that is an item's own.
    """

    without: Mapping[str, Recommender]
    bare: Recommender
    others: Ints

    def extended(self, tokens: Mapping[str, TokenTable], places: Ints) -> "Masks":
        """The same over further and changed items; see `models.protocol.Extendable`.

        Raises:
            TypeError: the models cannot take in items.
        """
        return Masks(
            {
                name: _extended(model, _all_but(tokens, name), places)
                for name, model in self.without.items()
            },
            _extended(self.bare, {}, places),
            self.others,
        )


def masks_of(model: Recommender, tokens: Callable[[], Mapping[str, TokenTable]]) -> Masks | None:
    """What `explain` needs of a model that reads modalities and does not explain itself.

    Made once per model: each mask is the model itself over other arrays.

    Args:
        model: fitted.
        tokens: reads those of its items; called only where they are needed.

    Returns:
        None for a model that explains itself or reads no modality.
    """
    if isinstance(model, Explains) or not isinstance(model, ReadsModalities):
        return None
    if not model.modalities:
        return None
    tables = {name: table for name, table in tokens().items() if name in model.modalities}
    read = [name for name in MODALITIES if name in tables and len(tables[name].items)]
    n_items = max((table.n_items for table in tables.values()), default=0)
    others = np.unique(np.linspace(0, max(0, n_items - 1), _OTHERS).astype(np.int32))
    without = {name: model.masked(_all_but(tables, name)) for name in read}
    return Masks(without, model.masked({}), others) if read else None


def explain(
    model: Recommender, users: Histories, items: Ints, masks: Masks | None = None
) -> Explanation:
    """What moved the scores of items (n_users, k), whatever the model.

    A model that `Explains` is asked itself. For any other the past items are those of the last 50
    (of a long history fewer) without which the score would be lower. The shares are what hiding
    each modality from all items costs the score, and, for behaviour, how much higher the score is
    without any modality than that of the average item. A model without masks reads no modality: all
    of an item's score comes from behaviour where the history changes it, and else from popularity.

    Args:
        model: fitted.
        users: for whom the items were scored.
        items: dense indexes; -1 where there is none, which has no reason.
        masks: of `masks_of`.
    """
    if isinstance(model, Explains):
        return model.explain(users, items)
    parts = (BEHAVIOUR, POPULARITY) if masks is None else (*masks.without, BEHAVIOUR)
    rows = [
        _of_one(model, users.rows(row, row + 1), items[row], masks, parts)
        for row in range(len(users))
    ]
    return stacked(rows, parts, items.shape[1])


def scored(
    model: Recommender, users: Histories, masks: Masks | None = None
) -> tuple[Floats, Callable[[Ints], Explanation]]:
    """Scores (n_users, n_items) of all items, and `explain` for the same users.

    Args:
        model: fitted.
        users: any.
        masks: of `masks_of`.
    """
    if isinstance(model, ExplainsScores):
        return model.score_to_explain(users)
    return model.score(users), partial(explain, model, users, masks=masks)


def _of_one(
    model: Recommender, user: Histories, items: Ints, masks: Masks | None, parts: tuple[str, ...]
) -> Explanation:
    """Explains items (k,) to one user."""
    real = items >= 0
    valid_items = np.where(real, items, 0).astype(np.int32)
    past = _last_items(user)
    scores = model.score(_without_each(user, past), valid_items)  # whole, without each, without all
    whole = np.where(real, scores[0], np.float32(-np.inf))
    lost = less(np.broadcast_to(whole, scores[1:].shape), scores[1:])  # l + 1, k
    if masks is None:
        shares, moved = _behaviour_or_popularity(whole, lost)
    else:
        shares, moved = shares_of(_by_masking(masks, user, valid_items, whole))
    named, weights = strongest(lost[:-1].T, past)
    return Explanation(parts, shares[None], moved[None], named[None], weights[None])


def _behaviour_or_popularity(whole: Floats, lost: Floats) -> tuple[Floats, Floats]:
    """Shares (k, 2) and what moved (k,) the scores (k,), which lost (l + 1, k) without a past."""
    known = np.isfinite(whole)
    personal = (lost != 0).any(axis=0)
    shares = np.stack([known & personal, known & ~personal], axis=1).astype(np.float32)
    moved = np.where(personal, lost[-1], np.where(known, whole, 0))
    return shares, np.maximum(moved, 0).astype(np.float32)


def _by_masking(masks: Masks, user: Histories, items: Ints, whole: Floats) -> Floats:
    """What each modality, and behaviour, added (k, m + 1) to scores (k,) of items (k,)."""
    modalities = [less(whole, model.score(user, items)[0]) for model in masks.without.values()]
    bare = masks.bare.score(user, np.concatenate([items, masks.others]))[0]
    of_items, others = bare[: len(items)], bare[len(items) :]
    average = others[np.isfinite(others)].mean() if np.isfinite(others).any() else 0
    of_items = np.where(np.isfinite(of_items) & np.isfinite(whole), of_items, average)
    behaviour = less(of_items, np.full_like(of_items, average))
    return np.stack([*modalities, behaviour], axis=1)


def _last_items(user: Histories) -> Ints:
    """The items (l,) of one user's last events, the newest first, each once."""
    newest_first = user.items[::-1]
    at_once = _EVENTS_AT_ONCE // max(1, len(user.items))
    most = min(_MOST_LEFT_OUT, max(_FEWEST_LEFT_OUT, at_once))
    _, first = np.unique(newest_first, return_index=True)
    return newest_first[np.sort(first)[:most]]


def _without_each(user: Histories, items: Ints) -> Histories:
    """A user as 2 + l rows: as is, without the events on each of items (l,), without any event."""
    included = np.ones((2 + len(items), len(user.items)), dtype=bool)
    included[1:-1] = user.items != items[:, None]
    included[-1] = False
    offsets = np.zeros(len(included) + 1, dtype=np.int64)
    np.cumsum(included.sum(axis=1), out=offsets[1:])
    events = np.nonzero(included)[1]
    return Histories(
        offsets,
        user.items[events],
        user.values[events],
        user.timestamps[events],
        np.repeat(user.users, len(included)),
    )


def _all_but(tokens: Mapping[str, TokenTable], modality: str) -> dict[str, TokenTable]:
    return {name: table for name, table in tokens.items() if name != modality}


def _extended(model: Recommender, tokens: Mapping[str, TokenTable], places: Ints) -> Recommender:
    if not isinstance(model, Extendable):
        raise TypeError(f"{model.name} cannot take in items; ask its neighbours instead.")
    return model.extended(tokens, places)

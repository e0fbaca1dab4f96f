"""Explanations in words."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from models.data import Floats, Histories, Ints
from models.mmnn.explanation import Explanation

_WORDS = {
    "text": "its description",
    "image": "its picture",
    "audio": "its sound",
    "reviews": "what people wrote about it",
    "attributes": "its categories and figures",
}
_NAMED_PAST_ITEMS = 2


@runtime_checkable
class Explains(Protocol):
    """A model that can say what moved a score."""

    def explain(self, users: Histories, items: Ints) -> Explanation:
        """Shares of the modalities and strongest past items of `items` (n_users, k)."""
        ...


@runtime_checkable
class ExplainsScores(Explains, Protocol):
    """A model that need not read users again to explain the scores that it gave them."""

    def score_to_explain(self, users: Histories) -> tuple[Floats, Callable[[Ints], Explanation]]:
        """Scores (n_users, n_items) of all items, and what explains items (n_users, k) of them."""
        ...


def reasons(explanation: Explanation, titles: NDArray[np.object_]) -> list[str]:
    """One sentence for each of the n_users × k items, row by row.

    Args:
        explanation: of the items.
        titles: (n_items,) what people call an item.
    """
    shares = explanation.shares.reshape(-1, len(explanation.modalities))
    past = explanation.past_items.reshape(-1, explanation.past_items.shape[-1])
    words = np.array([_WORDS[name] for name in explanation.modalities] or [""], dtype=object)
    if shares.shape[1]:
        strongest, share = words[shares.argmax(axis=1)], shares.max(axis=1)
    else:
        strongest, share = np.full(len(shares), "", dtype=object), np.zeros(len(shares))
    named = titles[past][:, :_NAMED_PAST_ITEMS].astype(object)
    named[past[:, :_NAMED_PAST_ITEMS] < 0] = None
    return [_sentence(*row) for row in zip(strongest, share, named, strict=True)]


def _sentence(modality: str, share: float, past: NDArray[np.object_]) -> str:
    items = " and ".join(f"“{title}”" for title in past if title is not None)
    if share > 0 and items:
        return f"{modality} ({share:.0%}); goes with {items}"
    if share > 0:
        return f"{modality} ({share:.0%})"
    return f"goes with {items}" if items else "what most people chose"

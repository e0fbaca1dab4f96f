"""Why the hybrid ranked an item as it did: what each feature added, by what it is a figure of."""

from collections.abc import Sequence

import numpy as np

from models.data import MODALITIES, Floats, Histories, Ints
from models.explanation import BEHAVIOUR, POPULARITY, Explanation, shares_of, stacked, strongest
from models.hmdf.candidates import Candidates
from models.hmdf.features import Knowledge
from models.trees import Trees, grouped


def explained(
    trees: Trees,
    knowledge: Knowledge,
    candidates: Candidates,
    features: Sequence[tuple[str, str]],
    users: Histories,
    items: Ints,
) -> Explanation:
    """Shares of each part and the past items behind the scores of items (n_users, k).

    What the features of a part added to a score, by exact TreeSHAP (Lundberg et al. 2020), is what
    the part brought. What a sum over past items added is dealt out among them as they make up the
    sum.

    Args:
        trees: that gave the scores.
        knowledge: that made the features.
        candidates: of the users, among them all of the items.
        features: name of each feature, and the part that it is a figure of.
        users: for whom the items were scored.
        items: dense indexes; -1 where there is none, which has no reason.
    """
    read = {part for _, part in features}
    parts = tuple(part for part in (*MODALITIES, BEHAVIOUR, POPULARITY) if part in read)
    part_of = np.array([parts.index(part) for _, part in features], dtype=np.int32)
    column_of = {name: column for column, (name, _) in enumerate(features)}
    links = np.array([column_of[name] for name in knowledge.links.names])
    places = _places(candidates, items, knowledge.links.n_items)
    added = np.zeros((*items.shape, len(features)))
    asked = places >= 0
    if asked.any():
        added[asked] = trees.contributions(candidates.features[places[asked]])[0]
    by_part = grouped(added.reshape(-1, len(features)), part_of, len(parts))
    shares, moved = shares_of(by_part.reshape(*items.shape, len(parts)).astype(np.float32))
    rows = []
    for user in range(len(users)):
        past = users.rows(user, user + 1)
        known = np.where(asked[user], items[user], 0).astype(np.int32)
        strength = _by_past_item(knowledge, past, known, added[user][:, links])
        named, weights = strongest(np.where(asked[user][:, None], strength[0], 0), strength[1])
        one = slice(user, user + 1)
        rows.append(Explanation(parts, shares[one], moved[one], named[None], weights[None]))
    return stacked(rows, parts, items.shape[1])


def _places(candidates: Candidates, items: Ints, n_items: int) -> np.ndarray:
    """The place (n_users, k) of each item among the candidates; -1 where it is none."""
    if not len(candidates.items):
        return np.full(items.shape, -1)
    keys = candidates.rows.astype(np.int64) * n_items + candidates.items
    order = np.argsort(keys)
    wanted = np.arange(len(items))[:, None] * n_items + np.maximum(items, 0)
    found = order[np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)]
    return np.where((keys[found] == wanted) & (items >= 0), found, -1)


def _by_past_item(
    knowledge: Knowledge, user: Histories, items: Ints, added: np.ndarray
) -> tuple[Floats, Ints]:
    """What each past item brought to items (k,): (k, l), and the past items (l,), each once.

    A feature's part of the score is dealt out among the past events as its sum is made of them.

    Args:
        knowledge: holds the links.
        user: one row.
        items: (k,) that were scored, each once.
        added: (k, s) what each sum of the links added to the scores.
    """
    rows = np.zeros(len(items), dtype=np.int32)
    sums = knowledge.links.sums(user, rows, items)
    raised = np.maximum(added, 0)
    counts = np.divide(raised, sums, out=np.zeros_like(raised), where=sums > 0)
    by_event = knowledge.links.by_past_event(user, items, counts.astype(np.float32))
    past, place = np.unique(user.items, return_inverse=True)
    found = np.zeros((len(items), len(past)), dtype=np.float32)
    np.add.at(found.T, place, by_event.T)
    return found, past

"""Why the hybrid ranked an item as it did: what each feature added, by what it is a figure of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from crossmodal.modalities import MODALITIES
from models.data import Floats, Histories, Ints, Longs
from models.explanation import BEHAVIOUR, POPULARITY, Explanation, shares_of, stacked, strongest
from models.hmdf.candidates import Candidates
from models.hmdf.features import Knowledge
from models.hmdf.item_links import WINDOW_WEIGHTS
from models.hmdf.newcomers import Newcomers
from models.hmdf.similarity import ContentSimilarity
from models.trees import Trees, grouped


@dataclass(frozen=True)
class FeatureParts:
    """What the features that the trees read are figures of.

    Attributes:
        parts: names of the m things that a feature is a figure of.
        part_of: (f,) which of them each feature is a figure of.
        links: (s,) which features are the sums over past items.
    """

    parts: tuple[str, ...]
    part_of: Ints
    links: Longs

    @staticmethod
    def of(names: Sequence[str], parts: Sequence[str], links: Sequence[str]) -> "FeatureParts":
        """What named features are figures of.

        Args:
            names: of the f features.
            parts: what each is a figure of.
            links: names of the sums over past items.
        """
        known = set(parts)
        ordered = tuple(part for part in (*MODALITIES, BEHAVIOUR, POPULARITY) if part in known)
        column_of = {name: column for column, name in enumerate(names)}
        return FeatureParts(
            ordered,
            np.array([ordered.index(part) for part in parts], dtype=np.int32),
            np.array([column_of[name] for name in links], dtype=np.int64),
        )


def explained(
    trees: Trees,
    knowledge: Knowledge,
    candidates: Candidates,
    features_of: FeatureParts,
    users: Histories,
    items: Ints,
) -> Explanation:
    """Shares of each part and the past items behind the scores of items (n_users, k).

    A part brought what its features added to a score, by exact TreeSHAP (Lundberg et al. 2020).
    What a sum over past items added is divided among them in proportion to their terms.

    Args:
        trees: that gave the scores.
        knowledge: that made the features.
        candidates: of the users, among them all of the items.
        features_of: what the trees' features are figures of.
        users: for whom the items were scored.
        items: dense indexes; -1 where there is none, for which there is no reason.
    """
    parts, links, n_features = features_of.parts, features_of.links, len(features_of.part_of)
    places = _places(candidates, items, knowledge.links.n_items)
    added, sums = (np.zeros((*items.shape, n)) for n in (n_features, len(links)))
    present = places >= 0
    if present.any():
        features = candidates.features[places[present]]
        added[present], sums[present] = trees.contributions(features)[0], features[:, links]
    by_part = grouped(added.reshape(-1, n_features), features_of.part_of, len(parts))
    shares, moved = shares_of(by_part.reshape(*items.shape, len(parts)).astype(np.float32))
    # What one unit of each sum added, so that a term of the sum has its proportion of it.
    raised = np.maximum(added[..., links], 0)
    units = np.divide(raised, sums, out=np.zeros_like(raised), where=sums > 0).astype(np.float32)
    rows = []
    for user in range(len(users)):
        row, known = slice(user, user + 1), present[user]
        past = users.rows(user, user + 1)
        brought, chosen = _by_past_item(knowledge, past, items[user, known], units[user, known])
        by_item = np.zeros((len(known), len(chosen)), dtype=np.float32)
        by_item[known] = brought
        named, weights = strongest(by_item, chosen)
        rows.append(Explanation(parts, shares[row], moved[row], named[None], weights[None]))
    return stacked(rows, parts, items.shape[1])


def with_newcomers(
    why: Explanation, newcomers: Newcomers, users: Histories, items: Ints
) -> Explanation:
    """An explanation, extended to new items (n_users, k); -1 where there is none.

    The past items are those with the content most like the new item's, each modality weighted by
    its share.
    """
    present = items >= 0
    rows = np.nonzero(present)[0].astype(np.int32)
    content = newcomers.content
    part_of = np.array([why.parts.index(part) for part in content.reads], dtype=np.int32)
    brought = newcomers.brought(users, rows, items[present])
    shares, moved = shares_of(grouped(brought, part_of, len(why.parts)).astype(np.float32))
    explanation = replace(
        why,
        shares=why.shares.copy(),
        moved=why.moved.copy(),
        past_items=why.past_items.copy(),
        past_weights=why.past_weights.copy(),
    )
    explanation.shares[present], explanation.moved[present] = shares, moved
    for user in np.unique(rows):
        mask = present[user]
        counts = shares[rows == user] * moved[rows == user, None]
        chosen = np.unique(users.rows(int(user), int(user) + 1).items)
        alike = _alike(content.similarity, items[user, mask], chosen, counts, why.parts)
        explanation.past_items[user, mask], explanation.past_weights[user, mask] = strongest(
            alike, chosen
        )
    return explanation


def for_guests(why: Explanation, users: Histories, items: Ints) -> Explanation:
    """An explanation in which all that speaks to who has no history is how much an item is chosen.

    Args:
        why: of all users.
        users: for whom the items were scored.
        items: (n_users, k); -1 where there is none, which has no reason.
    """
    guests = (users.lengths == 0)[:, None] & (items >= 0)
    if not guests.any() or POPULARITY not in why.parts:
        return why
    shares, moved = why.shares.copy(), why.moved.copy()
    shares[guests] = np.array(why.parts) == POPULARITY
    moved[guests] = np.maximum(moved[guests], 1)
    return replace(why, shares=shares, moved=moved)


def _alike(
    similarity: ContentSimilarity,
    items: Ints,
    chosen: Ints,
    counts: Floats,
    parts: Sequence[str],
) -> Floats:
    """Similarity (k, l) of past items (l,) to items (k,), with weights (k, m) of the parts."""
    total = np.zeros((len(items), len(chosen)), dtype=np.float32)
    for name, space in similarity.spaces.items():
        cosines = space.vectors[items] @ space.vectors[chosen].T
        total += counts[:, parts.index(name), None] * np.maximum(cosines, 0)
    return total


def _by_past_item(
    knowledge: Knowledge, user: Histories, items: Ints, units: Floats
) -> tuple[Floats, Ints]:
    """What each past item added (k, l) to items (k,), and the distinct past items (l,).

    Args:
        knowledge: holds the links.
        user: one row.
        items: (k,) dense indexes.
        units: (k, s) what one unit of each sum of the links added to the scores.
    """
    distinct, first, again = np.unique(items, return_index=True, return_inverse=True)
    recent = user.newest(len(WINDOW_WEIGHTS))
    by_event = knowledge.links.by_past_event(recent, distinct, units[first])
    order = np.argsort(recent.items, kind="stable")
    chosen, starts = np.unique(recent.items[order], return_index=True)
    if not len(chosen):
        return np.zeros((len(items), 0), dtype=np.float32), chosen
    return np.add.reduceat(by_event[:, order], starts, axis=1)[again], chosen


def _places(candidates: Candidates, items: Ints, n_items: int) -> np.ndarray:
    """The place (n_users, k) of each item among the candidates; -1 if it is not one."""
    if not len(candidates.items):
        return np.full(items.shape, -1)
    keys = candidates.rows.astype(np.int64) * n_items + candidates.items
    order = np.argsort(keys)
    wanted = np.arange(len(items))[:, None] * n_items + np.maximum(items, 0)
    places = order[np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)]
    return np.where((keys[places] == wanted) & (items >= 0), places, -1)

"""The graph of users and items, and the neighbourhoods drawn from it.

Items are nodes 0 … n_items - 1, users the nodes after them. Edges point to the node that reads
them: a user reads the items they chose, an item the users who chose it and, in each modality, the
items nearest to it. An item without events is tied to the others by its content alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.content import TIME_DEPENDENT
from models.data import Bools, Dataset, Floats, Interactions, Ints, Longs, TokenTable
from models.sequences import Scale

_SIMILARITIES_AT_ONCE = 1 << 24
_DAY = 86_400_000_000
_EDGE_NUMBERS = 3


@dataclass(frozen=True)
class Nearest:
    """The items most like each item in one modality, as compressed rows.

    Attributes:
        offsets: (n_items + 1,); item i's neighbours are `offsets[i]:offsets[i + 1]`.
        items: (n_edges,) the neighbours, nearest first.
        similarity: (n_edges,) cosine of the standardised features, above zero.
        known_at: (n_edges,) the instant from which the features of both ends are known.
    """

    offsets: Longs
    items: Ints
    similarity: Floats
    known_at: Longs

    @staticmethod
    def of(table: TokenTable, k: int, *, timeless: bool) -> "Nearest":
        """The k nearest items of each item that has the modality; blocks keep memory flat."""
        features, present = table.at()
        having = np.flatnonzero(present)
        unit = torch.from_numpy(_unit_standardised(features[having]))
        kept = min(k, max(0, len(having) - 1))
        near = np.zeros((len(having), kept), dtype=np.int64)
        cosine = np.zeros((len(having), kept), dtype=np.float32)
        block = max(1, _SIMILARITIES_AT_ONCE // max(1, len(having)))
        for start in range(0, len(having) if kept else 0, block):
            rows = np.arange(start, min(start + block, len(having)))
            near[rows], cosine[rows] = _best(unit[rows] @ unit.T, rows, kept)
        real = cosine > 0
        lengths = np.zeros(table.n_items, dtype=np.int64)
        lengths[having] = real.sum(axis=1)
        since = np.full(table.n_items, np.iinfo(np.int64).min)
        if not timeless:
            since[table.items] = table.known_at
        ends = having[near[real]]
        starts = np.repeat(np.arange(table.n_items), lengths)
        return Nearest(
            np.concatenate([[0], np.cumsum(lengths)]),
            ends.astype(np.int32),
            cosine[real],
            np.maximum(since[starts], since[ends]),
        )


def _best(cosines: Tensor, rows: Longs, k: int) -> tuple[Longs, Floats]:
    """Columns and cosines (b, k) of the k largest of each row, largest first, never itself."""
    cosines[torch.arange(len(rows)), torch.from_numpy(rows)] = -torch.inf
    values, columns = cosines.topk(k, dim=1)
    return columns.numpy(), values.numpy()


def _unit_standardised(features: Floats) -> Floats:
    """Unit vectors (n, d) of the standardised features; zeros where nothing differs."""
    if not len(features):
        return features
    deviation = features.std(axis=0)
    scaled = (features - features.mean(axis=0)) / np.where(deviation > 0, deviation, np.float32(1))
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    unit: Floats = np.divide(scaled, length, out=np.zeros_like(scaled), where=length > 0)
    return unit


@dataclass(frozen=True)
class View:
    """What a step may see of the graph.

    Attributes:
        until: (n_users,) the event row from which on a user's events are hidden.
        instant: similarities that were not known before it (UTC microseconds) are hidden.
        known: (n_items,) False hides an item's users, as if nobody had touched it.
        kept: (n_items, m) False hides an item's neighbours in a modality.
    """

    until: Longs
    instant: int
    known: Bools
    kept: Bools


@dataclass(frozen=True)
class Fanout:
    """Most neighbours drawn a node: users of an item, items a modality, items of a user."""

    users: int
    neighbours: int
    choices: int


@dataclass(frozen=True)
class Edges:
    """Drawn edges; each belongs to the node at position `owner` of those that were asked.

    Attributes:
        owner: (e,) positions.
        source: (e,) the node at the other end.
        attributes: (e, m + 5): a flag for the type of the edge (choice, chooser, one a modality),
            then the event's value and recency, and the similarity; zero where it has none.
    """

    owner: Longs
    source: Longs
    attributes: Floats


@dataclass(frozen=True)
class Block:
    """One round of attention.

    Attributes:
        sources: (s,) int64 nodes that are read; the first `n_targets` are those that read.
        n_targets: number of nodes that read.
        index: (2, e) int64 positions in `sources`: read, reader.
        attributes: (e, m + 5) float32, see `Edges`.
    """

    sources: Longs
    n_targets: int
    index: Tensor
    attributes: Tensor

    def to(self, device: torch.device) -> "Block":
        """The same on a device."""
        return Block(
            self.sources, self.n_targets, self.index.to(device), self.attributes.to(device)
        )


@dataclass(frozen=True)
class Neighbourhood:
    """All that is needed to compute the vectors of some items.

    Attributes:
        blocks: the rounds in the order in which they are computed.
        items: (i,) int64 items whose own features are needed.
        item_places: (a,) where the items among the first block's sources are in `items`.
        is_item: (s,) which of the first block's sources are items; the others are users.
        choices: (2, e) positions in `items`, and of the user among the users of the first block's
            sources: a user's own feature is the mean of these items.
    """

    blocks: tuple[Block, ...]
    items: Tensor
    item_places: Tensor
    is_item: Tensor
    choices: Tensor

    def to(self, device: torch.device) -> "Neighbourhood":
        """The same on a device."""
        return Neighbourhood(
            tuple(block.to(device) for block in self.blocks),
            self.items.to(device),
            self.item_places.to(device),
            self.is_item.to(device),
            self.choices.to(device),
        )


class Graph:
    """Users and items with their edges.

    Args:
        events: sorted by user, then time.
        n_users: number of users.
        n_items: number of items.
        nearest: the similar items, one a modality.
        scale: standardises the events' values.
    """

    def __init__(
        self,
        events: Interactions,
        n_users: int,
        n_items: int,
        nearest: Sequence[Nearest],
        scale: Scale,
    ) -> None:
        self.events, self.n_users, self.n_items = events, n_users, n_items
        self.nearest = tuple(nearest)
        self._values = scale(events.values)
        newest = events.timestamps.max(initial=0)
        days = (newest - events.timestamps) / _DAY
        self._recency = (1 - np.log1p(days) / 4).astype(np.float32)
        self._of_user = np.searchsorted(events.users, np.arange(n_users + 1))
        self._by_item = np.argsort(events.items, kind="stable")
        self._of_item = np.searchsorted(events.items[self._by_item], np.arange(n_items + 1))

    @property
    def edge_width(self) -> int:
        """Numbers an edge has."""
        return edge_width(len(self.nearest))

    @staticmethod
    def of(dataset: Dataset, modalities: Sequence[str], k: int, scale: Scale) -> "Graph":
        """The graph of a dataset's training events and of its items' k nearest a modality."""
        nearest = [
            Nearest.of(dataset.tokens[name], k, timeless=name not in TIME_DEPENDENT)
            for name in modalities
        ]
        return Graph(dataset.train, dataset.n_users, dataset.n_items, nearest, scale)

    def whole(self, known: Bools) -> View:
        """A view that hides nothing of the items `known` (n_items,)."""
        return View(
            np.full(self.n_users, len(self.events), dtype=np.int64),
            np.iinfo(np.int64).max,
            known,
            np.ones((self.n_items, len(self.nearest)), dtype=bool),
        )

    def neighbours(
        self, nodes: Longs, fanout: Fanout, view: View, generator: np.random.Generator
    ) -> Edges:
        """At most `fanout` edges of each kind into each of the nodes (n,)."""
        places = np.arange(len(nodes))
        is_user = nodes >= self.n_items
        users, items = places[is_user], places[~is_user]
        kinds = [
            self._choices(nodes, users, fanout.choices, view, generator),
            self._choosers(nodes, items, fanout.users, view, generator),
        ]
        kinds += [
            self._similar(nodes, items, modality, fanout.neighbours, view, generator)
            for modality in range(len(self.nearest))
        ]
        return Edges(
            np.concatenate([kind.owner for kind in kinds]),
            np.concatenate([kind.source for kind in kinds]),
            np.concatenate([kind.attributes for kind in kinds]),
        )

    def neighbourhood(
        self, items: Longs, fanouts: Sequence[Fanout], view: View, generator: np.random.Generator
    ) -> Neighbourhood:
        """What the vectors of distinct items (n,) are computed from: a round for each fan-out."""
        blocks: list[Block] = []
        nodes = items
        for fanout in reversed(fanouts):
            block = self._block(nodes, fanout, view, generator)
            blocks.insert(0, block)
            nodes = block.sources
        is_item = nodes < self.n_items
        users = nodes[~is_item]
        chosen = self._choices(users, np.arange(len(users)), fanouts[0].choices, view, generator)
        base = np.unique(np.concatenate([nodes[is_item], chosen.source]))
        choices = np.stack([np.searchsorted(base, chosen.source), chosen.owner])
        return Neighbourhood(
            tuple(blocks),
            torch.from_numpy(base),
            torch.from_numpy(np.searchsorted(base, nodes[is_item])),
            torch.from_numpy(is_item),
            torch.from_numpy(choices),
        )

    def _block(
        self, nodes: Longs, fanout: Fanout, view: View, generator: np.random.Generator
    ) -> Block:
        edges = self.neighbours(nodes, fanout, view, generator)
        place = np.full(self.n_items + self.n_users, -1, dtype=np.int64)
        place[nodes] = np.arange(len(nodes))
        others = np.unique(edges.source[place[edges.source] < 0])
        place[others] = len(nodes) + np.arange(len(others))
        return Block(
            np.concatenate([nodes, others]),
            len(nodes),
            torch.from_numpy(np.stack([place[edges.source], edges.owner])),
            torch.from_numpy(edges.attributes),
        )

    def _choices(
        self, nodes: Longs, places: Longs, most: int, view: View, generator: np.random.Generator
    ) -> Edges:
        users = nodes[places] - self.n_items
        starts = self._of_user[users]
        stops = np.clip(view.until[users], starts, self._of_user[users + 1])
        drawn, rows = draw(starts, stops, most, generator)
        return self._edges(places[drawn], self.events.items[rows], 0, rows)

    def _choosers(
        self, nodes: Longs, places: Longs, most: int, view: View, generator: np.random.Generator
    ) -> Edges:
        items = nodes[places]
        starts = self._of_item[items]
        stops = np.where(view.known[items], self._of_item[items + 1], starts)
        drawn, places_by_item = draw(starts, stops, most, generator)
        rows = self._by_item[places_by_item]
        seen = rows < view.until[self.events.users[rows]]
        drawn, rows = drawn[seen], rows[seen]
        return self._edges(places[drawn], self.n_items + self.events.users[rows], 1, rows)

    def _similar(
        self,
        nodes: Longs,
        places: Longs,
        modality: int,
        most: int,
        view: View,
        generator: np.random.Generator,
    ) -> Edges:
        items, near = nodes[places], self.nearest[modality]
        starts = near.offsets[items]
        stops = np.where(view.kept[items, modality], near.offsets[items + 1], starts)
        drawn, rows = draw(starts, stops, most, generator)
        seen = near.known_at[rows] < view.instant
        drawn, rows = drawn[seen], rows[seen]
        attributes = self._typed(len(rows), 2 + modality)
        attributes[:, -1] = near.similarity[rows]
        return Edges(places[drawn], near.items[rows].astype(np.int64), attributes)

    def _edges(self, owner: Longs, source: NDArray[np.integer], kind: int, rows: Longs) -> Edges:
        attributes = self._typed(len(rows), kind)
        attributes[:, -3], attributes[:, -2] = self._values[rows], self._recency[rows]
        return Edges(owner, source.astype(np.int64), attributes)

    def _typed(self, n: int, kind: int) -> Floats:
        attributes = np.zeros((n, self.edge_width), dtype=np.float32)
        attributes[:, kind] = 1
        return attributes


def edge_width(n_modalities: int) -> int:
    """Numbers an edge has where there are so many modalities: see `Edges.attributes`."""
    return 2 + n_modalities + _EDGE_NUMBERS


def draw(
    starts: Longs, stops: Longs, most: int, generator: np.random.Generator
) -> tuple[Longs, Longs]:
    """Draws at most `most` rows of each range `starts[i]:stops[i]`, none of them twice.

    A range is turned by a random step, cut into `most` stretches of nearly equal length, and one
    row of each is drawn: every row has the same chance, whatever the length, in time and memory
    that grow with what is drawn alone (systematic sampling, Madow 1944). Short ranges are taken
    whole.

    Returns:
        (e,) the number i of the range, ascending, and (e,) the row.
    """
    lengths = (stops - starts)[:, None]
    stretch = np.arange(most)
    low = np.where(lengths > most, stretch * lengths // most, stretch)
    high = np.where(lengths > most, (stretch + 1) * lengths // most, stretch + 1)
    within = low + (generator.random(low.shape) * (high - low)).astype(np.int64)
    turned = within + (generator.random(lengths.shape) * lengths).astype(np.int64)
    rows = starts[:, None] + turned % np.maximum(lengths, 1)
    taken = within < lengths
    return np.nonzero(taken)[0], rows[taken]

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

from models.data import Bools, Floats, Longs
from models.gat.choices import Choices
from models.gat.nearest import Nearest

_EDGE_NUMBERS = 3


@dataclass(frozen=True)
class View:
    """What a step may see of the graph.

    Attributes:
        until: (n_users,) the row from which on a user's choices are hidden.
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
        attributes: (e, m + 5): a flag for the type of the edge (choice, chooser, one per modality),
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
        choices: who chose what.
        nearest: the similar items, one per modality.
    """

    def __init__(self, choices: Choices, nearest: Sequence[Nearest]) -> None:
        self.choices, self.nearest = choices, tuple(nearest)
        self.n_users, self.n_items = choices.n_users, choices.n_items

    @property
    def edge_width(self) -> int:
        """Numbers an edge has."""
        return edge_width(len(self.nearest))

    def whole(self, known: Bools) -> View:
        """A view that hides nothing of the items `known` (n_items,)."""
        return View(
            np.full(self.n_users, len(self.choices), dtype=np.int64),
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
        starts = self.choices.offsets[users]
        stops = np.clip(view.until[users], starts, self.choices.offsets[users + 1])
        drawn, rows = draw(starts, stops, most, generator)
        return self._edges(places[drawn], self.choices.items[rows], 0, rows)

    def _choosers(
        self, nodes: Longs, places: Longs, most: int, view: View, generator: np.random.Generator
    ) -> Edges:
        items, offsets = nodes[places], self.choices.item_offsets
        stops = np.where(view.known[items], offsets[items + 1], offsets[items])
        drawn, places_by_item = draw(offsets[items], stops, most, generator)
        rows = self.choices.by_item[places_by_item]
        users = self.choices.users[rows]
        seen = rows < view.until[users]
        drawn, rows, users = drawn[seen], rows[seen], users[seen]
        return self._edges(places[drawn], self.n_items + users, 1, rows)

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
        attributes[:, -3] = self.choices.values[rows]
        attributes[:, -2] = self.choices.recency[rows]
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

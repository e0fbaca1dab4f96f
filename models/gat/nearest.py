"""The items nearest to each item in a modality: of the tokens of the fit, and of any others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from weakref import ref

import numpy as np
import torch
from torch import Tensor

from crossmodal.modalities import TIME_DEPENDENT
from models.data import Floats, Ints, Longs, TokenTable
from models.standardisation import Standardisation

_SIMILARITIES_AT_ONCE = 1 << 24


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
    def of(table: TokenTable, k: int, scale: Standardisation, *, timeless: bool) -> "Nearest":
        """The k nearest items of each item with the modality; in blocks, to bound memory."""
        features, present = table.at()
        having = np.flatnonzero(present)
        unit = torch.from_numpy(scale.unit(features[having]))
        n_neighbours = min(k, max(0, len(having) - 1))
        near = np.zeros((len(having), n_neighbours), dtype=np.int64)
        cosine = np.zeros((len(having), n_neighbours), dtype=np.float32)
        block = max(1, _SIMILARITIES_AT_ONCE // max(1, len(having)))
        for start in range(0, len(having) if n_neighbours else 0, block):
            rows = np.arange(start, min(start + block, len(having)))
            near[rows], cosine[rows] = _best(unit[rows] @ unit.T, rows, n_neighbours)
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

    @staticmethod
    def none(n_items: int) -> "Nearest":
        """No item is near any other."""
        nothing = np.zeros(0, dtype=np.int64)
        return Nearest(
            np.zeros(n_items + 1, dtype=np.int64),
            nothing.astype(np.int32),
            nothing.astype(np.float32),
            nothing,
        )


def _best(cosines: Tensor, rows: Longs, k: int) -> tuple[Longs, Floats]:
    """Columns and cosines (b, k) of the k largest of each row, largest first, never itself."""
    cosines[torch.arange(len(rows)), torch.from_numpy(rows)] = -torch.inf
    values, columns = cosines.topk(k, dim=1)
    return columns.numpy(), values.numpy()


class NearestItems:
    """The k nearest items in each modality of a fit, asked of the fit's tokens or of others.

    Features are standardised as those of the fit were, whatever tokens are asked: how like two
    items are does not change because a third has lost its tokens.

    The neighbours of the table asked last are remembered in each modality, so that the subsets of
    an ablation, which share their tables, do not pay for them again. A table itself is not kept.

    Args:
        scales: the standardisation of each modality, in the order of every array over them.
        k: most neighbours of an item in a modality.
    """

    def __init__(self, scales: Mapping[str, Standardisation], k: int) -> None:
        self.scales, self.k = dict(scales), k
        self._last: dict[str, tuple[ref[TokenTable], Nearest]] = {}

    @classmethod
    def fit(cls, tokens: Mapping[str, TokenTable], k: int) -> Self:
        """Standardises by the items of each table."""
        scales = {}
        for name, table in tokens.items():
            features, present = table.at()
            scales[name] = Standardisation.of(features[present])
        return cls(scales, k)

    def __call__(self, tokens: Mapping[str, TokenTable], n_items: int) -> tuple[Nearest, ...]:
        """One a modality, in order; nothing is near in a modality that the tokens lack."""
        return tuple(
            self._nearest(name, tokens[name]) if name in tokens else Nearest.none(n_items)
            for name in self.scales
        )

    def _nearest(self, name: str, table: TokenTable) -> Nearest:
        if name in self._last:
            table_ref, nearest = self._last[name]
            if table_ref() is table:
                return nearest
        timeless = name not in TIME_DEPENDENT
        nearest = Nearest.of(table, self.k, self.scales[name], timeless=timeless)
        self._last[name] = ref(table), nearest
        return nearest

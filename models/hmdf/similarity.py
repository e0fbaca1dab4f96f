"""How near an item's content is to that of what a user chose."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from crossmodal.modalities import TIME_DEPENDENT
from models.data import Bools, Floats, Histories, Ints, TokenTable
from models.extending import of_width, placed
from models.hmdf._similarity_kernels import cosines_of
from models.hmdf.item_links import WINDOW_WEIGHTS, WINDOWS
from models.standardisation import Standardisation, unit_vectors

_COMPONENTS = 64
"""Principal components that a wide modality is cut to."""


@dataclass(frozen=True)
class Space:
    """One modality of all items.

    Attributes:
        mean: (p,) of the features of the items that have it.
        deviation: (p,) of the same.
        axes: (p, c) principal directions of the standardised features.
        vectors: (n_items, c) unit vectors; zeros for an item that lacks the modality.
        present: (n_items,) which items have it.
    """

    mean: Floats
    deviation: Floats
    axes: Floats
    vectors: Floats
    present: Bools

    @staticmethod
    def of(table: TokenTable) -> "Space":
        """Fits the axes to the items that have the modality."""
        features, present = table.at()
        scale = Standardisation.of(features[present])
        known = scale.standardised(features[present]).astype(np.float64)
        _, axes = np.linalg.eigh(known.T @ known)
        leading = axes[:, ::-1][:, :_COMPONENTS].astype(np.float32)
        return Space(scale.mean, scale.deviation, leading, features, present).over(table)

    def over(self, table: TokenTable | None) -> "Space":
        """The same axes over other tokens of as many items; None where no item has any."""
        return replace(self, **self._placed(table, len(self.present)))

    def extended(self, table: TokenTable | None, places: Ints) -> "Space":
        """The same axes over further and changed items.

        Args:
            table: of these k items alone; None if none has any content.
            places: (k,) their dense indexes.
        """
        arrays = self._placed(table, len(places))
        return replace(
            self,
            vectors=placed(self.vectors, places, arrays["vectors"]),
            present=placed(self.present, places, arrays["present"]),
        )

    def _placed(self, table: TokenTable | None, n_items: int) -> dict[str, Any]:
        vectors = np.zeros((n_items, self.axes.shape[1]), dtype=np.float32)
        present = np.zeros(n_items, dtype=bool)
        if table is not None:
            features, present = table.at()
            scale = Standardisation(self.mean, self.deviation)
            vectors[present] = unit_vectors(scale.standardised(features[present]) @ self.axes)
        return {"vectors": vectors, "present": present}


@dataclass(frozen=True)
class ContentSimilarity:
    """Cosines of an item to what a user chose, by modality and window of the history.

    Attributes:
        spaces: of the modalities that describe an item at any time.
    """

    spaces: Mapping[str, Space]

    @staticmethod
    def of(tokens: Mapping[str, TokenTable]) -> "ContentSimilarity":
        """One space a modality."""
        timeless = sorted(name for name in tokens if name not in TIME_DEPENDENT)
        return ContentSimilarity({name: Space.of(tokens[name]) for name in timeless})

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the c numbers that `cosines` gives."""
        return tuple(f"{name}_near_{window}" for name, window in product(self.spaces, WINDOWS))

    @property
    def reads(self) -> tuple[str, ...]:
        """The modality behind each name."""
        return tuple(name for name, _ in product(self.spaces, WINDOWS))

    def cosines(self, users: Histories, rows: Ints, items: Ints) -> Floats:
        """Cosines (r, c) of items to the weighted mean of each window; NaN where either is absent.

        Args:
            users: their histories.
            rows: (r,) rows of `users`, ascending.
            items: (r,) dense item indexes.
        """
        ends = np.searchsorted(rows, np.arange(len(users) + 1))
        width = len(self.spaces) * len(WINDOWS)
        cosines = np.empty((len(rows), width), dtype=np.float32)
        for place, space in enumerate(self.spaces.values()):
            histories = users.items, users.offsets, WINDOW_WEIGHTS
            columns = cosines, place * len(WINDOWS)
            cosines_of(space.vectors, space.present, *histories, items, ends, *columns)
        return cosines

    def masked(self, tokens: Mapping[str, TokenTable]) -> "ContentSimilarity":
        """The same spaces over other tokens; a modality that they lack, no item has."""
        spaces = {name: space.over(tokens.get(name)) for name, space in self.spaces.items()}
        return ContentSimilarity(spaces)

    def extended(self, tokens: Mapping[str, TokenTable], places: Ints) -> "ContentSimilarity":
        """The same spaces over further and changed items; see `models.protocol.Extendable`."""
        known = of_width(tokens, {name: len(space.mean) for name, space in self.spaces.items()})
        spaces = {
            name: space.extended(known.get(name), places) for name, space in self.spaces.items()
        }
        return ContentSimilarity(spaces)

    def nearest(self, items: Ints, among: Ints) -> Ints:
        """Of the items `among` (m,) the one nearest to each item (k,); -1 where none is near.

        By the mean cosine over the modalities that both have.
        """
        total = np.zeros((len(items), len(among)), dtype=np.float32)
        counts = np.zeros((len(items), len(among)), dtype=np.int32)
        for space in self.spaces.values():
            total += space.vectors[items] @ space.vectors[among].T
            counts += space.present[items][:, None] & space.present[among]
        means = np.divide(total, counts, out=np.zeros_like(total), where=counts > 0)
        if not len(among):
            return np.full(len(items), -1, dtype=np.int32)
        best = among[means.argmax(axis=1)]
        return np.where(means.max(axis=1) > 0, best, -1).astype(np.int32)

    def arrays(self) -> dict[str, np.ndarray]:
        """The spaces as named arrays, to be kept as state."""
        return {
            f"content.{name}.{part}": array
            for name, space in self.spaces.items()
            for part, array in vars(space).items()
        }

    @staticmethod
    def of_arrays(arrays: Mapping[str, np.ndarray]) -> "ContentSimilarity":
        """The spaces whose arrays `arrays` named."""
        parts: dict[str, dict[str, np.ndarray]] = {}
        for key in sorted(key for key in arrays if key.startswith("content.")):
            _, name, part = key.split(".")
            parts.setdefault(name, {})[part] = arrays[key]
        return ContentSimilarity({name: Space(**fields) for name, fields in parts.items()})

"""What items are, as blocks of standardised numbers: one or more a modality."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from models.data import Bools, Floats, TokenTable

_PREFIX = "content"


@dataclass(frozen=True)
class Block:
    """One block of a modality's features: z = (x - mean) axes.

    Attributes:
        modality: whose features it is part of.
        name: its own.
        mean: (p,) of the items it was fitted on.
        axes: (p, c), on which those items have variance 1 in all.
    """

    modality: str
    name: str
    mean: Floats
    axes: Floats


@dataclass(frozen=True)
class ContentBlocks:
    """The blocks of all modalities, sorted by modality, then in the order of its features."""

    blocks: tuple[Block, ...]

    @staticmethod
    def fit(
        tokens: Mapping[str, TokenTable],
        learned_from: Bools,
        names: Mapping[str, tuple[str, ...]],
        widest: int,
        components: int,
    ) -> "ContentBlocks":
        """Standardises each block by the features of some items.

        Args:
            tokens: of the items.
            learned_from: (n_items,) which items.
            names: of each modality's blocks, which are parts of equal width of its features; a
                modality that is not named is one block with its own name.
            widest: a block with more columns is cut to `components` principal components.
            components: see `widest`.
        """
        blocks = []
        for modality, table in sorted(tokens.items()):
            features, present = table.at()
            known = features[present & learned_from].astype(np.float64)
            known = known if len(known) else np.zeros((1, features.shape[1]))
            block_names = names.get(modality, (modality,))
            for name, x in zip(
                block_names, np.array_split(known, len(block_names), axis=1), strict=True
            ):
                axes = _axes(x, widest, components).astype(np.float32)
                blocks.append(Block(modality, name, x.mean(axis=0).astype(np.float32), axes))
        return ContentBlocks(tuple(blocks))

    def parts(
        self, tokens: Mapping[str, TokenTable], n_items: int, left_out: Collection[str] = ()
    ) -> list[Floats]:
        """Parts (n_items, c) of what the items are: blocks, and whether each modality is there.

        A block is 0, its mean, where an item lacks the modality. A modality of which no block is
        read has no part; where nothing is read, there is one part of zeros.

        Args:
            tokens: of the items; a modality that they lack, nobody has.
            n_items: how many there are.
            left_out: names of blocks that are not read.
        """
        parts: list[Floats] = []
        for modality, width in self.widths.items():
            read = [b for b in self._of(modality) if b.name not in left_out]
            if not read:
                continue
            features, present = np.zeros((n_items, width), np.float32), np.zeros(n_items, bool)
            if modality in tokens:
                features, present = tokens[modality].at()
            columns = dict(self._columns(modality, features))
            for block in read:
                z = (columns[block.name] - block.mean) @ block.axes
                parts.append(np.where(present[:, None], z, np.float32(0)))
            parts.append(present[:, None].astype(np.float32))
        return parts or [np.zeros((n_items, 1), dtype=np.float32)]

    @property
    def widths(self) -> dict[str, int]:
        """Numbers of each modality's features."""
        widths: dict[str, int] = {}
        for block in self.blocks:
            widths[block.modality] = widths.get(block.modality, 0) + len(block.mean)
        return widths

    def arrays(self) -> dict[str, np.ndarray]:
        """The blocks as named arrays, to be stored as state."""
        arrays: dict[str, np.ndarray] = {}
        for place, block in enumerate(self.blocks):
            name = f"{_PREFIX}.{place:03}.{block.modality}.{block.name}"
            arrays |= {f"{name}.mean": block.mean, f"{name}.axes": block.axes}
        return arrays

    @staticmethod
    def of_arrays(arrays: Mapping[str, np.ndarray]) -> "ContentBlocks":
        """The blocks whose arrays `arrays` named."""
        blocks = []
        for key in sorted(key for key in arrays if key.startswith(f"{_PREFIX}.")):
            _, _, modality, name, part = key.split(".")
            if part == "mean":
                axes = arrays[f"{key.removesuffix('.mean')}.axes"]
                blocks.append(Block(modality, name, arrays[key], axes))
        return ContentBlocks(tuple(blocks))

    def _of(self, modality: str) -> list[Block]:
        return [block for block in self.blocks if block.modality == modality]

    def _columns(self, modality: str, features: Floats) -> Iterator[tuple[str, Floats]]:
        """Each block's columns of a modality's features (n, p)."""
        blocks = self._of(modality)
        parts = np.array_split(features, len(blocks), axis=1)
        return ((block.name, part) for block, part in zip(blocks, parts, strict=True))


def _axes(x: np.ndarray, widest: int, components: int) -> np.ndarray:
    """Axes (p, c) on which the rows (n, p) have variance 1 in all, c < p where p is too wide."""
    centred, deviation = x - x.mean(axis=0), x.std(axis=0)
    axes = np.diag(np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0))
    if x.shape[1] > widest:
        scaled = centred @ axes
        _, vectors = np.linalg.eigh(scaled.T @ scaled)
        axes = axes @ vectors[:, ::-1][:, :components]
    spread = (centred @ axes).var(axis=0).sum()
    return axes / np.sqrt(spread) if spread > 0 else axes

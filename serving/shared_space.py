"""From a tower's features to the space in which words, pictures and sounds are compared."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from crossmodal.modalities import TOWERS
from crossmodal.workspace import Workspace
from models.alignment.head import AlignmentHead
from models.data import Floats
from models.encoders.item_text import whole_text

_UNALIGNED = "none"


@dataclass(frozen=True)
class SharedSpace:
    """The maps that made the catalogue's vectors.

    Attributes:
        heads: of each tower that some item has.
        attribute_names: columns of the attributes' features.
    """

    heads: Mapping[str, AlignmentHead]
    attribute_names: tuple[str, ...]

    def vector(self, modality: str, features: Floats) -> Floats | None:
        """The unit vector (384,) of features (d,); None where there is no map for them."""
        if modality == "text":
            return np.asarray(whole_text(features[None])[0])
        head = self.heads.get(modality)
        if head is None or len(head.mean) != len(features):
            return None
        return np.asarray(head.transform(features[None])[0])

    def comparable(self, modality: str, other: str) -> bool:
        """Whether vectors of two modalities say anything about each other."""
        return modality == other or (self._with_text(modality) and self._with_text(other))

    def _with_text(self, modality: str) -> bool:
        head = self.heads.get(modality)
        return modality not in TOWERS or (head is not None and head.method != _UNALIGNED)


def load_shared_space(workspace: Workspace) -> SharedSpace:
    """The maps of the last run.

    Raises:
        ModelFormatError: a head that the lake names is damaged or missing.
    """
    lake = workspace.lake
    heads = {}
    for tower in TOWERS:
        if lake.exists(f"{tower}_alignment") and lake.exists(f"{tower}_embeddings"):
            name = str(lake.version(f"{tower}_alignment").summary["head"])
            heads[tower] = AlignmentHead.load(workspace.paths.alignment / name)
    names: tuple[str, ...] = ()
    if lake.exists("attributes_features"):
        names = tuple(lake.version("attributes_features").summary["columns"])
    return SharedSpace(heads, names)

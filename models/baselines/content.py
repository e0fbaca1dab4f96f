"""Nearest items in one modality: what that modality says with nothing learned."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from models.baselines.base import Baseline
from models.data import Bools, Dataset, Floats, Histories, Ints, TokenTable
from models.extending import further_ties, of_width, placed
from models.persistence import ModelFormatError
from models.standardisation import Standardisation, unit_vectors
from models.training import one_blas_thread


class ContentConfig(BaseModel):
    """Settings of a content baseline."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    modality: str = Field(default="text", description="The one modality that is read.")
    half_life: float = Field(
        default=20.0,
        gt=0,
        description="Events after which an older event counts half; small forgets fast.",
    )
    seed: int = Field(default=42, ge=0, description="Orders items of equal score.")


class Content(Baseline):
    """Score = cosine of the item to the recency-weighted mean of the user's items (Rocchio 1971).

    Features are standardised over the items that have them. Items without the modality cannot be
    scored (-inf); a user none of whose items has it scores every item 0. Items without events are
    as good as any other.
    """

    family = "content"

    def __init__(self, config: ContentConfig | None = None) -> None:
        self.config = config or ContentConfig()
        self.name = f"content_{self.config.modality}"
        super().__init__(self.config.seed)

    @property
    def modalities(self) -> tuple[str, ...]:
        """The name of the one modality that is read."""
        return (self.config.modality,)

    @one_blas_thread()
    def fit(self, dataset: Dataset) -> Self:
        """Standardises the features.

        Raises:
            ValueError: the dataset does not have the modality.
        """
        if self.config.modality not in dataset.tokens:
            raise ValueError(
                f"The dataset has no {self.config.modality!r} features; it has "
                f"{', '.join(dataset.tokens) or 'none'}."
            )
        features, present = dataset.tokens[self.config.modality].at()
        scale = Standardisation.of(features[present])
        vectors = _cosine_vectors(scale, features, present)
        self._remember(
            dataset,
            vectors=vectors,
            present=present,
            mean=scale.mean,
            deviation=scale.deviation,
        )
        return self

    def masked(self, tokens: Mapping[str, TokenTable]) -> Self:
        """The same model over other tokens of the same items; what they lack is absent.

        Features are standardised as those of the fit were.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        scale = Standardisation(self.learned("mean"), self.learned("deviation"))
        vectors = np.zeros_like(self.learned("vectors"))
        present = np.zeros_like(self.learned("present"))
        if self.config.modality in tokens:
            features, present = tokens[self.config.modality].at()
            vectors = _cosine_vectors(scale, features, present)
        other = type(self)(self.config)
        other.arrays = {**self.arrays, "vectors": vectors, "present": present}
        return other

    def extended(self, tokens: Mapping[str, TokenTable], places: Ints) -> Self:
        """The same model over further and changed items; see `models.protocol.Extendable`."""
        scale = Standardisation(self.learned("mean"), self.learned("deviation"))
        vectors = np.zeros((len(places), len(scale.mean)), dtype=np.float32)
        there = np.zeros(len(places), dtype=bool)
        readable = of_width(tokens, {self.config.modality: len(scale.mean)})
        if readable:
            features, there = readable[self.config.modality].at()
            vectors = _cosine_vectors(scale, features, there)
        other = type(self)(self.config)
        other.arrays = {
            **self.arrays,
            "vectors": placed(self.learned("vectors"), places, vectors),
            "present": placed(self.learned("present"), places, there),
            "ties": further_ties(self.learned("ties"), places),
        }
        return other

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Cosines (n_users, n_items); -inf for items without the modality."""
        vectors, present = self.learned("vectors"), self.learned("present")
        tastes = self._tastes(users) @ vectors
        chosen = slice(None) if items is None else items
        cosines = unit_vectors(tastes) @ vectors[chosen].T
        scores: Floats = np.where(present[chosen], cosines, np.float32(-np.inf))
        return scores

    def settings(self) -> dict[str, Any]:
        """JSON-able settings that `save` keeps."""
        return self.config.model_dump()

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            ModelFormatError: the folder does not hold a content model.
        """
        arrays, settings = cls._read(folder, "vectors", "present", "mean", "deviation")
        try:
            model = cls(ContentConfig.model_validate(settings))
        except ValueError as error:
            raise ModelFormatError(
                f"{folder} has settings that this version does not know ({error}); "
                "fit the model again."
            ) from error
        model.arrays = arrays
        return model

    def _tastes(self, users: Histories) -> sparse.csr_array:
        """Weights (n_users, n_items) of the past events; the newest event has weight 1."""
        from_end = np.repeat(users.offsets[1:], users.lengths) - 1 - np.arange(len(users.items))
        weights = np.exp2(-from_end / self.config.half_life).astype(np.float32)
        shape = (len(users), len(self.learned("present")))
        return sparse.csr_array((weights, users.items, users.offsets), shape=shape)


def _cosine_vectors(scale: Standardisation, features: Floats, present: Bools) -> Floats:
    """Unit vectors (n_items, p) of the standardised features; zeros for absent items."""
    return np.where(present[:, None], scale.unit(features), np.float32(0))

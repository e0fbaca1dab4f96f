"""Baselines with settings of their own: kept, validated, and read back the same way."""

from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from models.baselines.base import Baseline
from models.persistence import ModelFormatError, load_state, tensor


class BaselineConfig(BaseModel):
    """Settings that every baseline has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=42, ge=0, description="Orders items of equal score.")


Settings = TypeVar("Settings", bound=BaselineConfig)


class ConfiguredBaseline(Baseline, Generic[Settings]):
    """A baseline whose constructor takes its settings.

    Attributes:
        config: the settings.
        settings_type: their class.
        stored: names of the arrays without which there is no model.
    """

    settings_type: ClassVar[type[BaselineConfig]]
    stored: ClassVar[tuple[str, ...]]

    def __init__(self, config: Settings | None = None) -> None:
        self.config: Settings = config or self.settings_type()  # type: ignore[assignment]
        self._matrices: dict[str, tuple[np.ndarray, sparse.csr_array]] = {}
        super().__init__(self.config.seed)

    def settings(self) -> dict[str, Any]:
        """JSON-able settings that `save` keeps."""
        return self.config.model_dump()

    def matrix(self, name: str, n_columns: int) -> sparse.csr_array:
        """The matrix whose arrays `sparse_arrays` named, checked once rather than at every score.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        starts = self.learned(f"{name}.starts")
        cached = self._matrices.get(name)
        if cached is None or cached[0] is not starts:
            cached = starts, _sparse_matrix(name, self.arrays, n_columns)
            self._matrices = {**self._matrices, name: cached}
        return cached[1]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            ModelFormatError: the folder does not hold a model of this class.
        """
        arrays, settings = load_state(folder, family=cls.family)
        for name in ("ties", *cls.stored):
            tensor(arrays, name, folder)
        try:
            model = cls(cls.settings_type.model_validate(settings))  # type: ignore[arg-type]
        except ValueError as error:
            raise ModelFormatError(
                f"{folder} has settings that this version does not know ({error}); "
                "fit the model again."
            ) from error
        model.arrays = arrays
        return model


def sparse_arrays(name: str, matrix: sparse.csr_array) -> dict[str, np.ndarray]:
    """A sparse matrix as named arrays, to be kept as state."""
    return {
        f"{name}.values": matrix.data,
        f"{name}.columns": matrix.indices.astype(np.int32),
        f"{name}.starts": matrix.indptr.astype(np.int64),
    }


def _sparse_matrix(name: str, arrays: dict[str, np.ndarray], n_columns: int) -> sparse.csr_array:
    """The matrix whose arrays `sparse_arrays` named."""
    starts = arrays[f"{name}.starts"]
    if len(starts) and starts[-1] <= np.iinfo(np.int32).max:
        # As wide as the columns' numbers: of two widths SciPy would copy all columns.
        starts = starts.astype(np.int32)
    parts = (arrays[f"{name}.values"], arrays[f"{name}.columns"], starts)
    return sparse.csr_array(parts, shape=(len(starts) - 1, n_columns))

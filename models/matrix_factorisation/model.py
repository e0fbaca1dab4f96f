"""The matrix factorisation as a recommender and as a predictor of ratings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from models.data import Dataset, Floats, Histories, Ints
from models.matrix_factorisation.config import MatrixFactorisationConfig
from models.matrix_factorisation.fitting import fit_network
from models.matrix_factorisation.network import Form, build
from models.persistence import ModelFormatError, NotFittedError, load_state, save_state, tensor
from models.protocol import Ranking
from models.ranking import rank, tie_breaks
from models.training import Epoch, TrainingCurve


class MatrixFactorisation:
    """Predicts ratings from a user and an item embedding, and ranks by the prediction.

    It minimises the error on ratings that were given, so its ranking is a baseline and no more. An
    unknown user is an average user; an item without training events cannot be ranked (-inf), and
    its rating is predicted from the user's side alone.

    Attributes:
        config: the settings.
        curve: mean squared errors an epoch; None before a fit.
    """

    family = name = "matrix_factorisation"

    def __init__(
        self,
        config: MatrixFactorisationConfig | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> None:
        self.config = config or MatrixFactorisationConfig()
        self.curve: TrainingCurve | None = None
        self._on_epoch = on_epoch
        self._network: Form | None = None
        self._ties = np.zeros(0, dtype=np.int32)
        self._seen = np.zeros(0, dtype=bool)
        self._scale = (0.0, 0.0)

    @property
    def network(self) -> Form:
        """The fitted network.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        if self._network is None:
            raise NotFittedError("This matrix factorisation is not fitted; call fit or load first.")
        return self._network

    def fit(self, dataset: Dataset) -> Self:
        """Learns the values of the training events; validation events choose the epochs."""
        values = dataset.train.values
        self._scale = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
        self._ties = tie_breaks(dataset.item_ids.ids, self.config.seed)
        self._seen = np.zeros(dataset.n_items, dtype=bool)
        self._seen[dataset.train.items] = True
        self._network, self.curve = fit_network(dataset, self.config, self._on_epoch)
        return self

    @torch.no_grad()
    def predict_ratings(self, users: Ints, items: Ints) -> Floats:
        """Predictions (n,) for pairs of dense indexes, within the range of the training values.

        An index of -1 is an unknown user or item.
        """
        pair = (torch.from_numpy(indexes.astype(np.int64)) for indexes in (users, items))
        user, item = (
            torch.where(index < 0, table.num_embeddings - 1, index)
            for index, table in zip(pair, (self.network.user, self.network.item), strict=True)
        )
        predicted: Floats = self.network(user, item)[0].numpy()
        return predicted.clip(*self._scale)

    @torch.no_grad()
    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Predicted ratings (n_users, n_items), not clipped; -inf for items without events."""
        rows = torch.from_numpy(users.users.astype(np.int64))
        rows = torch.where(rows < 0, self.network.user.num_embeddings - 1, rows)
        chosen = slice(None) if items is None else items
        scores = self.network.table(rows).numpy()[:, :-1][:, chosen]
        masked: Floats = np.where(self._seen[chosen], scores, np.float32(-np.inf))
        return masked

    def recommend(self, users: Histories, k: int, exclude: Histories | None = None) -> Ranking:
        """The k best items per user, without the items of `exclude` (same users, row by row)."""
        return rank(self.score, users, k, self._ties, exclude=exclude)

    def save(self, folder: Path) -> None:
        """Writes embeddings and settings into an existing folder."""
        weights = {f"network.{key}": x.numpy() for key, x in self.network.state_dict().items()}
        arrays = {**weights, "ties": self._ties, "seen": self._seen}
        save_state(folder, arrays, self._description(), family=self.family)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            ModelFormatError: the folder does not hold a matrix factorisation, or a part of one.
        """
        arrays, described = load_state(folder, family=cls.family)
        try:
            model = cls(MatrixFactorisationConfig.model_validate(described["settings"]))
            model._scale = (described["lowest"], described["highest"])
            model._ties, model._seen = (tensor(arrays, x, folder) for x in ("ties", "seen"))
            network = build(described["n_users"], len(model._seen), model.config)
            network.load_state_dict(
                {
                    key: torch.from_numpy(tensor(arrays, f"network.{key}", folder))
                    for key in network.state_dict()
                }
            )
        except (KeyError, ValueError, RuntimeError) as error:
            raise ModelFormatError(
                f"{folder} does not hold a whole matrix factorisation ({error}); fit it again."
            ) from error
        model._network = network.eval()
        return model

    def _description(self) -> dict[str, Any]:
        return {
            "settings": self.config.model_dump(),
            "n_users": self.network.user.num_embeddings - 1,
            "lowest": self._scale[0],
            "highest": self._scale[1],
        }

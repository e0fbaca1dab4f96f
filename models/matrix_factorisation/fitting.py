"""Adam on the squared error plus the L2 of the rows an event looks up (Funk 2006; Koren 2009)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.data import Dataset, Interactions, Ints
from models.matrix_factorisation.config import MatrixFactorisationConfig
from models.matrix_factorisation.network import Form, build, forget
from models.splits import random_split
from models.training import (
    Epoch,
    TrainingCurve,
    minibatches,
    one_thread,
    run_epochs,
    seeded,
    torch_generator,
)


@dataclass(frozen=True)
class Ratings:
    """Events as tensors (n,): users and items int64, values float32."""

    users: Tensor
    items: Tensor
    values: Tensor

    @staticmethod
    def of(events: Interactions) -> "Ratings":
        """The events of a dataset."""
        users, items = events.users.astype(np.int64), events.items.astype(np.int64)
        return Ratings(*map(torch.from_numpy, (users, items, events.values)))


def fit_network(
    dataset: Dataset,
    config: MatrixFactorisationConfig,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> tuple[Form, TrainingCurve]:
    """A fitted network and its losses; the validation events choose the number of epochs.

    Where the dataset has no validation events a part of the training events takes their place, and
    a second fit on all training events then runs for the chosen number of epochs.
    """
    with one_thread():
        return _fit(dataset, config, on_epoch)


def _fit(
    dataset: Dataset,
    config: MatrixFactorisationConfig,
    on_epoch: Callable[[Epoch], None] | None,
) -> tuple[Form, TrainingCurve]:
    train, validation = dataset.train, dataset.validation
    borrowed = not len(validation)
    if borrowed:
        held = random_split(len(train), config.seed, test=config.validation)
        train, validation = train.take(held.train), train.take(held.test)
    trainer = _Trainer(dataset, train, config)
    judges = Ratings.of(validation)
    curve = run_epochs(
        trainer.network,
        trainer.epoch,
        lambda: trainer.error(judges),
        epochs=config.epochs if len(validation) else 0,
        patience=config.patience,
        on_epoch=on_epoch,
    )
    if borrowed:
        trainer = _Trainer(dataset, dataset.train, config)
        for _ in range(curve.best_epoch):
            trainer.epoch()
    trainer.network.eval()
    return trainer.network, curve


class _Trainer:
    """A network on its way, with its own order of batches."""

    def __init__(
        self, dataset: Dataset, train: Interactions, config: MatrixFactorisationConfig
    ) -> None:
        self.ratings = Ratings.of(train)
        self.batch_size = config.batch_size
        with seeded(config.seed):
            self.network = build(dataset.n_users, dataset.n_items, config)
        self.network.start_at(float(train.values.mean()) if len(train) else 0.0)
        forget(
            self.network,
            _untouched(train.users, dataset.n_users),
            _untouched(train.items, dataset.n_items),
        )
        self.optimiser = torch.optim.Adam(
            self.network.parameters(), lr=config.learning_rate, fused=True
        )
        self.generator = torch_generator(config.seed)

    def epoch(self) -> float:
        """One pass; returns the mean squared error of its batches as they came."""
        total, n = 0.0, len(self.ratings.values)
        for batch in minibatches(n, self.batch_size, self.generator):
            predicted, penalty = self.network(self.ratings.users[batch], self.ratings.items[batch])
            error = F.mse_loss(predicted, self.ratings.values[batch])
            self.optimiser.zero_grad()
            (error + penalty.mean()).backward()
            self.optimiser.step()
            total += error.item() * len(batch)
        return total / n

    def error(self, judges: Ratings) -> float:
        """Mean squared error of other ratings."""
        predicted, _ = self.network(judges.users, judges.items)
        return F.mse_loss(predicted, judges.values).item()


def _untouched(indexes: Ints, n: int) -> Tensor:
    """Rows of a table of n + 1 that no event names; the last stands for the unknown.

    No gradient ever reaches them, so what they start with is what they stay.
    """
    rows = np.ones(n + 1, dtype=bool)
    rows[indexes] = False
    return torch.from_numpy(np.flatnonzero(rows))

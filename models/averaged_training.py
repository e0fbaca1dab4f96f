"""Training of a network of which the moving average of the weights is validated and kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.encoders.device import autocast
from models.training import Epoch, TrainingCurve, run_epochs, run_length, warm_cosine

_LARGEST_GRADIENT = 5.0

Network = TypeVar("Network", bound=nn.Module)


class TrainingSettings(Protocol):
    """What the settings of a network say about its training."""

    @property
    def learning_rate(self) -> float:
        """The largest step size."""

    @property
    def averaging(self) -> float:
        """Share of the average that stays in a step."""

    @property
    def epochs(self) -> int:
        """Most epochs."""

    @property
    def patience(self) -> int:
        """Epochs without an improvement after which training stops."""


@dataclass(frozen=True)
class Batch:
    """One step.

    Attributes:
        loss: of the batch, ().
        size: its examples.
    """

    loss: Callable[[], Tensor]
    size: int


class AveragedTraining(Generic[Network]):
    """AdamW along a warm cosine, clipped; steps this large are noisy one by one, their mean is not.

    On CUDA losses are computed in bfloat16 where that is safe.

    Args:
        network: what is trained, as it begins.
        groups: its parameters as AdamW takes them, each with its own decay.
        settings: of the training.
        device: that the network is on.

    Attributes:
        averaged: the network with the moving average of the weights (Polyak and Juditsky 1992).
    """

    def __init__(
        self,
        network: Network,
        groups: list[dict[str, Any]],
        settings: TrainingSettings,
        device: torch.device,
    ) -> None:
        self._network, self._settings, self._device = network, settings, device
        average = get_ema_multi_avg_fn(settings.averaging)  # type: ignore[no-untyped-call]
        self._averaging = AveragedModel(network, multi_avg_fn=average)
        self._optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate)
        self._epochs_done = 0

    @property
    def averaged(self) -> Network:
        """The network with the moving average of the weights."""
        return cast(Network, self._averaging.module)

    def take_steps(self, batches: Sequence[Batch]) -> float:
        """One step per batch, in their order; returns the mean loss of their examples."""
        total = 0.0
        for number, batch in enumerate(batches):
            progress = (self._epochs_done + number / len(batches)) / self._settings.epochs
            total += self._step(batch.loss, progress) * batch.size
        self._epochs_done += 1
        return total / max(1, sum(batch.size for batch in batches))

    def run(
        self,
        one_pass: Callable[[], float],
        judge: Callable[[], float] | None,
        *,
        n_events: int,
        on_epoch: Callable[[Epoch], None] | None,
        length: int | None = None,
        passed_over: int = 0,
    ) -> TrainingCurve:
        """Trains; the averaged network ends with its best weights, which may be the first ones.

        With a length it ends with its last ones instead. The step size then goes the way of all the
        epochs of the settings and is cut off where the training that found the length was.

        Args:
            one_pass: over the training data, by `take_steps` above; returns its mean loss.
            judge: validation loss of the averaged network; see `models.training.run_epochs`.
            n_events: to learn from; with none, nothing is trained.
            on_epoch: called after every epoch.
            length: so many epochs, where it is known; nothing judges them.
            passed_over: first epochs of that length which are left out, with their step sizes: an
                earlier fit has gone that way.
        """
        network = self.averaged.eval()
        if length is not None:
            self._epochs_done = passed_over
            return run_length(network, one_pass, length - passed_over if n_events else 0, on_epoch)
        return run_epochs(
            network,
            one_pass,
            judge,
            start=judge() if judge else None,
            epochs=self._settings.epochs if n_events else 0,
            patience=self._settings.patience,
            on_epoch=on_epoch,
        )

    def _step(self, loss_of: Callable[[], Tensor], progress: float) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = self._settings.learning_rate * warm_cosine(progress)
        self._optimizer.zero_grad()
        with autocast(self._device):
            loss = loss_of()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), _LARGEST_GRADIENT)
        self._optimizer.step()
        self._averaging.update_parameters(self._network)
        return float(loss.detach())

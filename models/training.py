"""The pieces every training loop is made of: seeds, minibatches, early stopping, loss curves."""

import logging
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor, nn

from models.persistence import NotFittedError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Epoch:
    """The losses of one epoch, or of one round of trees.

    Attributes:
        number: from 1.
        most: how many there are if nothing stops them.
        train: training loss.
        validation: validation loss.
    """

    number: int
    most: int
    train: float
    validation: float


@dataclass(frozen=True)
class TrainingCurve:
    """Losses an epoch, and the epoch (from 1) whose weights were kept; 0 for those before."""

    train: tuple[float, ...]
    validation: tuple[float, ...]
    best_epoch: int


class DivergedError(RuntimeError):
    """A loss became NaN or infinite."""


class EarlyStopping:
    """Keeps the weights of the best validation loss and says when waiting longer is in vain.

    Args:
        patience: epochs without an improvement after which training stops.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best_loss = math.inf
        self.best_epoch = 0
        self._epoch = 0
        self._state: dict[str, Tensor] = {}

    def update(self, module: nn.Module, loss: float) -> bool:
        """Notes the validation loss of the next epoch; True where training should stop."""
        self._epoch += 1
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self._epoch
            self._keep(module)
        return self._epoch - self.best_epoch >= self.patience

    def begin(self, module: nn.Module, loss: float) -> None:
        """Notes the weights and the validation loss before the first epoch."""
        self.best_loss = loss
        self._keep(module)

    def restore(self, module: nn.Module) -> None:
        """Puts the best weights back; a module that was never updated stays as it is."""
        if self._state:
            module.load_state_dict(self._state)

    def _keep(self, module: nn.Module) -> None:
        self._state = {name: value.detach().clone() for name, value in module.state_dict().items()}


def run_epochs(
    module: nn.Module,
    train_epoch: Callable[[], float],
    validate: Callable[[], float] | None,
    *,
    epochs: int,
    patience: int,
    start: float | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> TrainingCurve:
    """Trains until the validation loss stops improving; the module ends with its best weights.

    Args:
        module: what is trained; its state is saved and restored.
        train_epoch: one pass over the training data in training mode; returns its mean loss.
        validate: the validation loss, less is better; called in evaluation mode without gradients.
            With None the training loss takes its place: nothing else says which epoch is best.
        epochs: most epochs.
        patience: epochs without an improvement after which training stops.
        start: the validation loss before the first epoch, where those weights are worth keeping.
        on_epoch: called after every epoch.

    Raises:
        DivergedError: a loss became NaN or infinite.
    """
    stopping = EarlyStopping(patience)
    if start is not None:
        stopping.begin(module, start)
    done: list[Epoch] = []
    for number in range(1, epochs + 1):
        module.train()
        train_loss = train_epoch()
        module.eval()
        with torch.no_grad():
            loss = validate() if validate else train_loss
        epoch = Epoch(number, epochs, train_loss, loss)
        _require_finite(epoch)
        done.append(epoch)
        _log.info("Epoch %d: train %.4f, validation %.4f", number, epoch.train, epoch.validation)
        if on_epoch is not None:
            on_epoch(epoch)
        if stopping.update(module, epoch.validation):
            break
    stopping.restore(module)
    module.eval()
    return TrainingCurve(
        tuple(epoch.train for epoch in done),
        tuple(epoch.validation for epoch in done),
        stopping.best_epoch,
    )


def run_length(
    module: nn.Module,
    train_epoch: Callable[[], float],
    epochs: int,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> TrainingCurve:
    """Trains so many epochs; the module ends with the weights of the last one.

    For a fit whose length is known, and that holds back no event which could judge it.

    Args:
        module: what is trained.
        train_epoch: one pass over the training data in training mode; returns its mean loss.
        epochs: how many.
        on_epoch: called after every epoch; its validation loss is the training loss.

    Raises:
        DivergedError: a loss became NaN or infinite.
    """
    losses: list[float] = []
    for number in range(1, epochs + 1):
        module.train()
        losses.append(train_epoch())
        epoch = Epoch(number, epochs, losses[-1], losses[-1])
        _require_finite(epoch)
        if on_epoch is not None:
            on_epoch(epoch)
    module.eval()
    return TrainingCurve(tuple(losses), (), epochs)


def refit_length(name: str, trained_epochs: int | None) -> int:
    """The epochs that a refit trains: those that a fit found to be best.

    Args:
        name: of the model.
        trained_epochs: whose weights the fit kept; None where there was no fit.

    Raises:
        NotFittedError: no fit has found them, or an older version did, which kept no note of it.
    """
    if trained_epochs is None:
        raise NotFittedError(
            f"This {name} does not say how long it trained: fit it with this version first."
        )
    return trained_epochs


def torch_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own, so that nobody else's draws move this one's."""
    return torch.Generator(device=device).manual_seed(seed)


def warm_cosine(progress: float, warm: float = 0.05, last: float = 0.02) -> float:
    """Share of the largest step size at `progress` (0 to 1) of a training.

    It climbs in a straight line while `progress` is below `warm` (Goyal et al. 2017), then falls
    to `last` along half a cosine (Loshchilov and Hutter 2017).
    """
    if progress < warm:
        return last + (1 - last) * progress / warm
    fallen = min(1.0, (progress - warm) / (1 - warm))
    return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * fallen))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's global generators seeded (layer initialisation and dropout use them).

    They are put back as they were afterwards.
    """
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


_LOCK = threading.Lock()


@dataclass
class _Limited:
    """What is limited for the whole process: the last of all threads to leave puts it back.

    Attributes:
        inside: how many are in `one_thread`.
        threads: of torch, before the first of them.
        inside_blas: how many are in `one_blas_thread`.
        libraries: each of linear algebra by its file, and its threads before the first of them.
    """

    inside: int = 0
    threads: int = 1
    inside_blas: int = 0
    libraries: dict[str, tuple[Any, int]] = field(default_factory=dict)


_LIMITED = _Limited()


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch and linear algebra on one CPU thread, and on as many as before afterwards.

    Small networks are faster so, and torch's sums come in one order however many cores there are.
    Several threads may be inside at once.
    """
    with _LOCK:
        own = torch.get_num_threads()
        if not _LIMITED.inside:
            _LIMITED.threads = own
        _LIMITED.inside += 1
        torch.set_num_threads(1)
    try:
        with one_blas_thread():
            yield
    finally:
        with _LOCK:
            _LIMITED.inside -= 1
            # A thread that began while others were inside found the one thread that they had left.
            torch.set_num_threads(own if _LIMITED.inside else _LIMITED.threads)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """NumPy's and SciPy's linear algebra on one CPU thread, and on as many as before afterwards.

    Its sums come in one order so, however many cores and processes there are: trees that split at
    the last digit of a figure are the same wherever on a machine they are fitted.
    """
    with _LOCK:
        _LIMITED.inside_blas += 1
        for library in ThreadpoolController().select(user_api="blas").lib_controllers:
            _LIMITED.libraries.setdefault(library.filepath, (library, library.num_threads))
            library.set_num_threads(1)
    try:
        yield
    finally:
        with _LOCK:
            _LIMITED.inside_blas -= 1
            if not _LIMITED.inside_blas:
                for library, threads in _LIMITED.libraries.values():
                    library.set_num_threads(threads)
                _LIMITED.libraries.clear()


def minibatches(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Shuffled indexes (b,) int64 that cover `range(n)` once, at most `size` at a time.

    Args:
        n: number of examples.
        size: examples per batch.
        generator: where the order comes from; its device is the indexes' device.
    """
    order = torch.randperm(n, generator=generator, device=generator.device)
    for start in range(0, n, size):
        yield order[start : start + size]


def _require_finite(epoch: Epoch) -> None:
    if not (math.isfinite(epoch.train) and math.isfinite(epoch.validation)):
        raise DivergedError(
            f"Epoch {epoch.number} ended with train loss {epoch.train} and validation loss "
            f"{epoch.validation}; lower the learning rate or look for non-finite features."
        )

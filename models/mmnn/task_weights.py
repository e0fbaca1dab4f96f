"""How the losses of the tasks become one."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.mmnn.config import MMNNConfig, TaskName

_PRECISION_SHARE: Mapping[TaskName, float] = {"retrieval": 1.0, "rating": 0.5, "click": 1.0}


class TaskWeights(nn.Module, ABC):
    """One loss of many."""

    @abstractmethod
    def forward(self, losses: Mapping[TaskName, Tensor]) -> Tensor:
        """The loss () to make small, of one () a task."""

    @abstractmethod
    def factors(self) -> dict[TaskName, float]:
        """What the loss of each task is multiplied by now."""


class FixedWeights(TaskWeights):
    """L = Σ_t w_t L_t."""

    def __init__(self, weights: Mapping[TaskName, float]) -> None:
        super().__init__()
        self._weights = dict(weights)

    def forward(self, losses: Mapping[TaskName, Tensor]) -> Tensor:
        """See `TaskWeights`."""
        return torch.stack([self._weights[task] * loss for task, loss in losses.items()]).sum()

    def factors(self) -> dict[TaskName, float]:
        """The weights."""
        return dict(self._weights)


class UncertaintyWeights(TaskWeights):
    """L = Σ_t λ_t exp(-s_t) L_t + s_t / 2 with learned s_t = log σ_t² (Kendall, Gal, Cipolla 2018).

    σ_t² is the noise of task t. A Gaussian of squared error L_t has the negative log likelihood
    L_t / (2σ_t²) + log σ_t, so that λ_t = 1/2 for the regression of ratings. A softmax or sigmoid
    of logits divided by σ_t² has about L_t / σ_t² + log σ_t (their eq. 10), so that λ_t = 1 for
    retrieval and click. The gradient is ∂L/∂s_t = 1/2 - λ_t exp(-s_t) L_t: at rest, a task's term
    is worth 1/2 whatever its scale.
    """

    def __init__(self, tasks: tuple[TaskName, ...]) -> None:
        super().__init__()
        self.tasks = tasks
        self.log_variances = nn.Parameter(torch.zeros(len(tasks)))

    def forward(self, losses: Mapping[TaskName, Tensor]) -> Tensor:
        """See `TaskWeights`."""
        stacked = torch.stack([losses[task].float() for task in self.tasks])
        return (self._factors() * stacked + self.log_variances / 2).sum()

    def factors(self) -> dict[TaskName, float]:
        """λ_t exp(-s_t) a task."""
        return dict(zip(self.tasks, self._factors().tolist(), strict=True))

    def _factors(self) -> Tensor:
        shares = self.log_variances.new_tensor([_PRECISION_SHARE[task] for task in self.tasks])
        return shares * torch.exp(-self.log_variances)


def task_weights(config: MMNNConfig) -> TaskWeights:
    """The weights of the tasks that take part, as the setting `task_weights` says."""
    if config.task_weights == "uncertainty":
        return UncertaintyWeights(config.tasks)
    fixed: Mapping[TaskName, float] = {
        "retrieval": 1.0,
        "rating": config.rating_weight,
        "click": config.click_weight,
    }
    return FixedWeights({task: fixed[task] for task in config.tasks})

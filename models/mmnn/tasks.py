"""What each task wants made small."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from models.mmnn.config import MMNNConfig, TaskName
from models.mmnn.network import MMNNNetwork
from models.retrieval_loss import softmax_loss, without_past
from models.sequences import Events


@dataclass(frozen=True)
class Step:
    """What the losses of one step read; b instants in users' lives, on the network's device.

    Attributes:
        users: (b, e) vectors.
        codes: (n, d) of every item the step names.
        past: what each user had done, newest first.
        wanted: (b, p) what each did next, oldest first; the first is always there.
        wanted_rows: (b, p) int64 rows of `codes` of the wanted items.
        ranked: (c,) int64 dense indexes of the candidates, sorted.
        ranked_rows: (c,) int64 rows of `codes` of the candidates.
        log_inclusion: (c,) log of the chance with which each candidate was drawn.
        bias: (c,) popularity of the candidates.
        context: (b, k) what else was known at the first wanted event.
    """

    users: Tensor
    codes: Tensor
    past: Events
    wanted: Events
    wanted_rows: Tensor
    ranked: Tensor
    ranked_rows: Tensor
    log_inclusion: Tensor
    bias: Tensor
    context: Tensor


class TaskLoss(Protocol):
    """The loss of one task."""

    def __call__(self, network: MMNNNetwork, step: Step) -> Tensor:
        """The loss () of a step."""
        ...


def retrieval_loss(network: MMNNNetwork, step: Step) -> Tensor:
    """Mean negative log likelihood of what came next, among the candidates."""
    logits = network.logits(step.users, step.codes[step.ranked_rows], step.bias)
    logits = without_past(logits, step.ranked, step.past)
    hits = torch.searchsorted(step.ranked, step.wanted.items)
    hits = hits.masked_fill(~step.wanted.present, 0)
    return softmax_loss(logits, hits, step.wanted.present, step.log_inclusion)


def rating_loss(network: MMNNNetwork, step: Step) -> Tensor:
    """Mean squared error of the standardised value of the next event."""
    codes = step.codes[step.wanted_rows[:, 0]]
    rated = network.stars(step.users, codes, step.context)
    return F.mse_loss(rated, step.wanted.values[:, 0])


@dataclass(frozen=True)
class ClickLoss:
    """Mean over instants of the cross-entropy of what came next against what did not.

    The others are drawn alike from the candidates, without what the user had done or does next, so
    that the logit is one against such a draw.

    Attributes:
        negatives: drawn for each event.
        generator: draws them.
    """

    negatives: int
    generator: torch.Generator

    def __call__(self, network: MMNNNetwork, step: Step) -> Tensor:
        """See `TaskLoss`."""
        rows, counted = self.pairs(step)
        users = step.users[:, None, None].expand(*rows.shape, -1)
        logits = network.clicks(users, step.codes[rows]).float()
        targets = torch.zeros_like(logits)
        targets[..., 0] = 1.0
        losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none") * counted
        return (losses.sum(dim=(1, 2)) / counted.sum(dim=(1, 2)).clamp(min=1)).mean()

    def pairs(self, step: Step) -> tuple[Tensor, Tensor]:
        """Rows of the codes (b, p, 1 + negatives), the event first, and which count (b, p, …)."""
        present = step.wanted.present.unsqueeze(2)  # b p 1
        shape = (*step.wanted.present.shape, self.negatives)
        drawn = torch.randint(len(step.ranked), shape, generator=self.generator)
        drawn = drawn.to(step.ranked.device)  # b p n
        free = torch.zeros(len(drawn), len(step.ranked), device=drawn.device)
        for done in (step.past, step.wanted):
            free = without_past(free, step.ranked, done)
        other = free.gather(1, drawn.flatten(1)).view(shape) == 0
        rows = torch.cat([step.wanted_rows.unsqueeze(2), step.ranked_rows[drawn]], dim=2)
        return rows, torch.cat([present, present & other], dim=2)


def task_losses(config: MMNNConfig, generator: torch.Generator) -> dict[TaskName, TaskLoss]:
    """The losses of the tasks that take part; `generator` draws what a loss needs drawn."""
    losses: Mapping[TaskName, TaskLoss] = {
        "retrieval": retrieval_loss,
        "rating": rating_loss,
        "click": ClickLoss(config.click_negatives, generator),
    }
    return {task: losses[task] for task in config.tasks}

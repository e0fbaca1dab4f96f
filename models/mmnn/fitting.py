"""The training of one fit: its steps and epochs."""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models.averaged_training import AveragedTraining, Batch
from models.content import Content
from models.content_periods import ContentPeriods
from models.data import Dataset, Floats
from models.mmnn.config import MMNNConfig
from models.mmnn.network import MMNNNetwork
from models.mmnn.task_weights import task_weights
from models.mmnn.tasks import Step, task_losses
from models.modality_dropout import ModalityDropout
from models.next_choices import NextChoices
from models.reducers import CrossFitted
from models.sequences import Events, Rows, Scale
from models.standardisation import Standardisation
from models.training import torch_generator
from models.warm_start import EarlierFit


class Trainer:
    """Runs the epochs of one network over one dataset."""

    def __init__(
        self,
        network: MMNNNetwork,
        dataset: Dataset,
        reducers: dict[str, CrossFitted],
        scale: Scale,
        config: MMNNConfig,
        device: torch.device,
        earlier: EarlierFit | None = None,
    ) -> None:
        self.network, self.dataset, self.config, self.device = network, dataset, config, device
        self.choices = NextChoices(dataset, scale, config)
        network.start_from(torch.from_numpy(self.choices.counts).to(device))
        if earlier is not None:
            earlier.resume(network)
        self.periods = ContentPeriods.of(dataset, reducers, config.periods, device)
        self.hide = ModalityDropout(
            config.modality_dropout,
            config.id_dropout,
            behavioural=torch.from_numpy(self.periods.behavioural).to(device),
        )
        self.context = torch.from_numpy(_standardise(dataset.context))
        self.generator = torch_generator(config.seed)
        self.losses = task_losses(config, self.generator)
        self.weights = task_weights(config).to(device)
        groups: list[dict[str, Any]] = [
            {"params": list(network.parameters()), "weight_decay": config.weight_decay},
            # Decay would pull the noise of every task towards 1.
            {"params": list(self.weights.parameters()), "weight_decay": 0.0},
        ]
        self.training = AveragedTraining(network, groups, config, device)

    def epoch(self) -> float:
        """One pass over a draw of the training events; returns the mean loss."""
        batches = self.choices.batches(self.periods.of_events, self.generator)
        return self.training.take_steps(
            [
                Batch(partial(self._loss, self.periods.contents[period], rows), len(rows))
                for period, rows in batches
            ]
        )

    def _loss(self, content: Content, rows: Rows) -> Tensor:
        """The losses of the tasks, weighed, and in addition what the item tower itself wants."""
        step, auxiliary = self._step(content, rows)
        losses = {task: loss(self.network, step) for task, loss in self.losses.items()}
        weighed: Tensor = self.weights(losses)
        return weighed + self.config.auxiliary_weight * auxiliary

    def _step(self, content: Content, rows: Rows) -> tuple[Step, Tensor]:
        """What the losses read of the instants of the events `rows`, and the tower's own loss."""
        network, device = self.network, self.device
        choice = self.choices.read(rows, self.generator)
        past, candidates, needed = choice.past, choice.candidates, choice.needed

        def place(events: Events) -> Tensor:
            items = torch.where(events.present, events.items, needed[0])
            return torch.searchsorted(needed, items).to(device)

        here = needed.to(device)
        known = torch.ones(len(needed), dtype=torch.bool, device=device)
        content, known = self.hide(content.take(here), known)
        tokens, present = network.items.tokens(content, here, known)
        codes = network.items.codes(content, tokens, present)
        history = F.embedding(place(past), codes)  # b l d
        columns = torch.searchsorted(needed, candidates.items).to(device)
        seen = past.to(device)
        step = Step(
            users=network.users(history, seen.values, seen.present),
            codes=codes,
            past=seen,
            wanted=choice.wanted.to(device),
            wanted_rows=place(choice.wanted),
            ranked=candidates.items.to(device),
            ranked_rows=columns,
            log_inclusion=candidates.log_inclusion.to(device),
            bias=network.bias(here[columns], known[columns]),
            context=self.context[self.choices.stops[rows]].to(device),
        )
        return step, network.items.auxiliary_loss(tokens, present)


def _standardise(context: Floats) -> Floats:
    scale = Standardisation.of(context)
    return (context - scale.mean) / scale.deviation

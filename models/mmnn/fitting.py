"""The training of one fit: its steps and epochs."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.content import Content, content_at
from models.data import TIME_DEPENDENT, Dataset, Floats
from models.encoders.device import autocast
from models.mmnn.config import MMNNConfig
from models.mmnn.network import MMNNNetwork
from models.mmnn.task_weights import task_weights
from models.mmnn.tasks import Step, task_losses
from models.modality_dropout import ModalityDropout
from models.reducers import CrossFitted
from models.retrieval_loss import CandidateDraw
from models.sequences import (
    Events,
    Rows,
    Scale,
    draw_rows,
    knowledge_batches,
    period_of,
    prefixes,
    recent,
    upcoming,
)
from models.standardisation import Standardisation
from models.training import Epoch, TrainingCurve, run_epochs, torch_generator, warm_cosine


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
    ) -> None:
        self.network, self.dataset, self.config, self.device = network, dataset, config, device
        self.scale = scale
        self.events = dataset.train
        self.starts, self.stops, self.ends = prefixes(self.events)
        counts = np.bincount(dataset.train.items, minlength=dataset.n_items)
        self.draw = CandidateDraw.of(counts, config.sampled_items)
        network.start_from(torch.from_numpy(counts).to(device))
        timely = [name in TIME_DEPENDENT for name in reducers]
        self.hide = ModalityDropout(
            config.modality_dropout,
            config.id_dropout,
            behavioural=torch.tensor(timely, dtype=torch.bool, device=device),
        )
        self.periods, begins = period_of(
            self.events.timestamps, config.periods if any(timely) else 1
        )
        self.contents = [
            content_at(dataset.tokens, reducers, dataset.n_items, int(begin)).to(device)
            for begin in begins
        ]
        self.context = torch.from_numpy(_standardise(dataset.context))
        self.generator = torch_generator(config.seed)
        self.epochs_done = 0
        self.losses = task_losses(config, self.generator)
        self.weights = task_weights(config).to(device)
        # Validated and kept are averaged weights: steps this large are noisy one by one.
        average = get_ema_multi_avg_fn(config.averaging)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(network, multi_avg_fn=average)
        groups: list[dict[str, Any]] = [
            {"params": list(network.parameters()), "weight_decay": config.weight_decay},
            # Decay would pull the noise of every task towards 1.
            {"params": list(self.weights.parameters()), "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)

    @property
    def averaged_network(self) -> MMNNNetwork:
        """The network with the moving average of the weights: what is validated and kept."""
        return cast(MMNNNetwork, self.averaged.module)

    def run(
        self, judge: Callable[[], float] | None, on_epoch: Callable[[Epoch], None] | None
    ) -> TrainingCurve:
        """Trains; the averaged network ends with its best weights.

        Args:
            judge: validation loss of the averaged network; see `models.training.run_epochs`.
            on_epoch: told of every epoch as it ends.
        """
        network = self.averaged_network.eval()
        return run_epochs(
            network,
            self.epoch,
            judge,
            start=judge() if judge else None,
            epochs=self.config.epochs if len(self.events) else 0,
            patience=self.config.patience,
            on_epoch=on_epoch,
        )

    def epoch(self) -> float:
        """One pass over a draw of the training events; returns the mean loss."""
        config, total = self.config, 0.0
        targets = draw_rows(self.events, config.epoch_examples, self.generator)
        batches = list(knowledge_batches(targets, self.periods, config.batch_size, self.generator))
        for number, (period, rows) in enumerate(batches):
            progress = (self.epochs_done + number / len(batches)) / config.epochs
            for group in self.optimizer.param_groups:
                group["lr"] = config.learning_rate * warm_cosine(progress)
            self.optimizer.zero_grad()
            with autocast(self.device):
                loss = self._loss(self.contents[period], rows)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimizer.step()
            self.averaged.update_parameters(self.network)
            total += float(loss.detach()) * len(rows)
        self.epochs_done += 1
        return total / max(1, len(targets))

    def _loss(self, content: Content, rows: Rows) -> Tensor:
        """The losses of the tasks, weighed, and beside them what the item tower itself wants."""
        step, auxiliary = self._step(content, rows)
        losses = {task: loss(self.network, step) for task, loss in self.losses.items()}
        weighed: Tensor = self.weights(losses)
        return weighed + self.config.auxiliary_weight * auxiliary

    def _step(self, content: Content, rows: Rows) -> tuple[Step, Tensor]:
        """What the losses read of the instants of the events `rows`, and the tower's own loss."""
        network, config, device = self.network, self.config, self.device
        past = recent(self.starts[rows], self.stops[rows], self.events, self.scale, config.history)
        wanted = upcoming(
            self.stops[rows], self.ends[rows], self.events, self.scale, config.horizon
        )
        candidates = self.draw(wanted.items[wanted.present], self.generator)
        needed = torch.unique(torch.cat([candidates.items, past.items[past.present]]))

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
            wanted=wanted.to(device),
            wanted_rows=place(wanted),
            ranked=candidates.items.to(device),
            ranked_rows=columns,
            log_inclusion=candidates.log_inclusion.to(device),
            bias=network.bias(here[columns], known[columns]),
            context=self.context[self.stops[rows]].to(device),
        )
        return step, network.items.auxiliary_loss(tokens, present)


def _standardise(context: Floats) -> Floats:
    scale = Standardisation.of(context)
    return (context - scale.mean) / scale.deviation

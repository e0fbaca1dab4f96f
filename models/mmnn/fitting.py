"""One fit: the losses, the steps, and the validation that stops them."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.content import TIME_DEPENDENT, Content, CrossFitted, content_at
from models.data import Dataset, Floats
from models.encoders.device import autocast
from models.mmnn.config import MMNNConfig
from models.mmnn.network import MMNNNetwork
from models.retrieval_loss import CandidateDraw, softmax_loss, without_past
from models.sequences import (
    Rows,
    Scale,
    draw_rows,
    knowledge_batches,
    period_of,
    prefixes,
    recent,
    upcoming,
)
from models.training import torch_generator, warm_cosine


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
        self.behavioural = torch.tensor(timely, dtype=torch.bool, device=device)
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
        # Validated and kept are averaged weights: steps this large are noisy one by one.
        average = get_ema_multi_avg_fn(config.averaging)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(network, multi_avg_fn=average)
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
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
        """Mean negative log likelihood of what came next, and the errors weighed beside it."""
        network, config, device = self.network, self.config, self.device
        past = recent(self.starts[rows], self.stops[rows], self.events, self.scale, config.history)
        wanted = upcoming(
            self.stops[rows], self.ends[rows], self.events, self.scale, config.horizon
        )
        candidates = self.draw(wanted.items[wanted.present], self.generator)
        needed = torch.unique(torch.cat([candidates.items, past.items[past.present]]))

        def place(items: Tensor, present: Tensor) -> Tensor:
            return torch.searchsorted(needed, torch.where(present, items, needed[0])).to(device)

        here = needed.to(device)
        known = torch.ones(len(needed), dtype=torch.bool, device=device)
        content, known = network.items.hide(content.take(here), known, self.behavioural)
        tokens, present = network.items.tokens(content, here, known)
        codes = network.items.codes(content, tokens, present)
        history = F.embedding(place(past.items, past.present), codes)  # b l d
        past, wanted = past.to(device), wanted.to(device)
        users = network.users(history, past.values, past.present)
        columns = torch.searchsorted(needed, candidates.items).to(device)
        bias = network.bias(here[columns], known[columns])
        logits = network.logits(users, codes[columns], bias)
        ranked = candidates.items.to(device)
        logits = without_past(logits, ranked, past)
        hits = torch.searchsorted(ranked, wanted.items).masked_fill(~wanted.present, 0)
        ranking = softmax_loss(logits, hits, wanted.present, candidates.log_inclusion.to(device))
        first = place(wanted.items.cpu()[:, 0], wanted.present.cpu()[:, 0])
        rated = network.stars(users, codes[first], self.context[self.stops[rows]].to(device))
        error = F.mse_loss(rated, wanted.values[:, 0])
        auxiliary = network.items.operator.auxiliary_loss(tokens, present)
        return ranking + config.rating_weight * error + config.auxiliary_weight * auxiliary


def _standardise(context: Floats) -> Floats:
    deviation = context.std(axis=0) if len(context) else np.ones(context.shape[1])
    mean = context.mean(axis=0) if len(context) else np.zeros(context.shape[1])
    scaled = (context - mean) / np.where(deviation > 0, deviation, 1)
    return np.nan_to_num(scaled).astype(np.float32)

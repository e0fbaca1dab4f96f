"""One fit: the losses, the steps, and the validation that stops them."""

from dataclasses import dataclass

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
from models.training import torch_generator, warm_cosine


@dataclass(frozen=True)
class Candidates:
    """The items a step ranks: all of training, or a draw of them.

    Attributes:
        items: (c,) int64 dense item indexes, sorted.
        log_inclusion: (c,) log of the chance with which each was drawn; zero where all are there.
    """

    items: Tensor
    log_inclusion: Tensor


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
        self.seen = np.flatnonzero(counts)
        network.start_from(torch.from_numpy(counts).to(device))
        self.shares = counts[self.seen] / counts.sum()
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
        candidates = self._candidates(wanted.items[wanted.present])
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

    def _candidates(self, targets: Tensor) -> Candidates:
        """All training items, or a uniform draw and the batch's targets with their chances."""
        n, wanted = len(self.seen), self.config.sampled_items
        if n <= wanted:
            return Candidates(torch.from_numpy(self.seen), torch.zeros(n))
        drawn = torch.randperm(n, generator=self.generator)[:wanted].numpy()
        hit = np.searchsorted(self.seen, targets.numpy())
        chosen = np.union1d(drawn, hit)
        missed = (1 - wanted / n) * (1 - self.shares[chosen]) ** len(targets)
        return Candidates(
            torch.from_numpy(self.seen[chosen]),
            torch.from_numpy(np.log1p(-missed)).float(),
        )


def without_past(logits: Tensor, ranked: Tensor, past: Events) -> Tensor:
    """Logits (b, c) of the items `ranked` (c,), sorted, with -inf for what a user had already.

    Such items are never wanted again; left in, they would teach that a user dislikes whatever is
    like what they chose.
    """
    places = torch.searchsorted(ranked, past.items).clamp(max=len(ranked) - 1)
    had = past.present & (ranked[places] == past.items)
    spare = torch.where(had, places, len(ranked))
    gone = torch.zeros(len(logits), len(ranked) + 1, dtype=torch.bool, device=logits.device)
    return logits.masked_fill(gone.scatter_(1, spare, True)[:, :-1], -torch.inf)


def softmax_loss(logits: Tensor, hits: Tensor, present: Tensor, log_inclusion: Tensor) -> Tensor:
    """Mean over rows of the mean -log p of the wanted columns.

    Each candidate stands for 1 / chance items (sampled softmax, Bengio and Senécal 2008; Horvitz
    and Thompson 1952); a chance of 1 for all makes it the exact softmax.

    Args:
        logits: (b, c) of the candidates.
        hits: (b, p) columns of the wanted items.
        present: (b, p) which of them are there; one whose logit is -inf counts as absent.
        log_inclusion: (c,) log of the chance with which each candidate was drawn.
    """
    normaliser = torch.logsumexp(logits.float() - log_inclusion, dim=1, keepdim=True)
    found = logits.float().gather(1, hits)
    present = present & torch.isfinite(found)
    losses = (normaliser - found).masked_fill(~present, 0.0)
    return (losses.sum(dim=1) / present.sum(dim=1).clamp(min=1)).mean()


def _standardise(context: Floats) -> Floats:
    deviation = context.std(axis=0) if len(context) else np.ones(context.shape[1])
    mean = context.mean(axis=0) if len(context) else np.zeros(context.shape[1])
    scaled = (context - mean) / np.where(deviation > 0, deviation, 1)
    return np.nan_to_num(scaled).astype(np.float32)

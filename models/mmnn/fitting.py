"""One fit: the losses, the steps, and the validation that stops them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.data import Bools, Dataset, Floats, Histories, Ints
from models.mmnn.config import MMNNConfig
from models.mmnn.examples import Rows, Scale, period_batches, period_of, prefixes, recent
from models.mmnn.features import TIME_DEPENDENT, Content, Reducer, content_at
from models.mmnn.network import MMNNNetwork
from models.training import torch_generator


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
        reducers: dict[str, Reducer],
        scale: Scale,
        config: MMNNConfig,
        device: torch.device,
    ) -> None:
        self.network, self.dataset, self.config, self.device = network, dataset, config, device
        self.scale = scale
        self.events = dataset.train
        self.starts, self.stops = prefixes(dataset.train)
        counts = np.bincount(dataset.train.items, minlength=dataset.n_items)
        self.seen = np.flatnonzero(counts)
        self.shares = counts[self.seen] / counts.sum()
        timely = [name for name in reducers if name in TIME_DEPENDENT]
        self.periods, begins = period_of(dataset.train.timestamps, config.periods if timely else 1)
        self.contents = [
            content_at(dataset.tokens, reducers, dataset.n_items, int(begin)).to(device)
            for begin in begins
        ]
        self.stars = torch.from_numpy(scale(dataset.train.values))
        self.context = torch.from_numpy(_standardise(dataset.context))
        self.generator = torch_generator(config.seed)
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def epoch(self) -> float:
        """One pass over the training events; returns the mean loss."""
        total = 0.0
        for period, rows in period_batches(self.periods, self.config.batch_size, self.generator):
            self.optimizer.zero_grad()
            with torch.autocast(self.device.type, enabled=self.device.type == "cuda"):
                loss = self._loss(self.contents[period], rows)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimizer.step()
            total += float(loss.detach()) * len(rows)
        return total / max(1, len(self.events))

    def _loss(self, content: Content, rows: Rows) -> Tensor:
        network, device = self.network, self.device
        targets = torch.from_numpy(self.events.items[rows].astype(np.int64))
        past = recent(
            self.starts[rows], self.stops[rows], self.events, self.scale, self.config.history
        )
        candidates = self._candidates(targets)
        needed = torch.unique(torch.cat([candidates.items, past.items[past.present]]))

        def place(items: Tensor) -> Tensor:
            return torch.searchsorted(needed, items).to(device)

        needed_here = needed.to(device)
        known = torch.ones(len(needed), dtype=torch.bool, device=device)
        content, known = network.items.hide(content.take(needed_here), known)
        codes = network.items(content, needed_here, known)
        history = F.embedding(
            place(torch.where(past.present, past.items, needed[0])), codes
        )  # b l d
        here = past.to(device)
        users = network.users(history, here.values, here.present)
        columns = place(candidates.items)
        bias = network.bias(needed_here[columns], known[columns])
        logits = network.logits(users, codes[columns], bias)
        hit = torch.searchsorted(candidates.items, targets).to(device)
        ranking = F.cross_entropy(_corrected(logits, hit, candidates.log_inclusion), hit)
        rated = network.stars(users, codes[place(targets)], self.context[rows].to(device))
        return ranking + self.config.rating_weight * F.mse_loss(rated, self.stars[rows].to(device))

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


def _corrected(logits: Tensor, hit: Tensor, log_inclusion: Tensor) -> Tensor:
    """Logits (b, c) whose softmax estimates the one over all items.

    Each candidate stands for 1 / chance items, but the target, which is always there, for one
    (sampled softmax, Bengio and Senécal 2008; Horvitz and Thompson 1952).
    """
    weights = log_inclusion.to(logits.device)
    corrected = logits - weights
    return corrected.scatter_add(1, hit[:, None], weights[hit][:, None])


def _standardise(context: Floats) -> Floats:
    deviation = context.std(axis=0) if len(context) else np.ones(context.shape[1])
    mean = context.mean(axis=0) if len(context) else np.zeros(context.shape[1])
    scaled = (context - mean) / np.where(deviation > 0, deviation, 1)
    return np.nan_to_num(scaled).astype(np.float32)


def validation_loss(
    dataset: Dataset, score: Callable[[Histories, Ints | None], Floats]
) -> Callable[[], float]:
    """A function that gives 1 - NDCG@10 of the validation events, or 1 where there are none.

    Every item not in the user's training is ranked. Where no validation item was seen in training
    (items held out whole), they are ranked among themselves, since that is what is asked of them.
    """
    events = dataset.validation
    users = np.unique(events.users)
    histories, wanted = dataset.histories(users), Histories.of(events, users)
    seen = np.zeros(dataset.n_items, dtype=bool)
    seen[dataset.train.items] = True
    cold = len(events) > 0 and not seen[events.items].any()
    items = np.unique(events.items).astype(np.int32) if cold else None
    relevant = _matrix(wanted, dataset.n_items)
    masked = _matrix(histories, dataset.n_items)
    if items is not None:
        relevant, masked = relevant[:, items], masked[:, items]

    def loss() -> float:
        if not len(events):
            return 1.0
        scores = score(histories, items)
        return 1.0 - ndcg(np.where(masked & ~relevant, -np.inf, scores), relevant)

    return loss


def ndcg(scores: Floats, relevant: Bools, k: int = 10) -> float:
    """Mean NDCG@k with binary relevance of scores (n_users, n_items)."""
    k = min(k, scores.shape[1])
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    hits = np.take_along_axis(relevant, np.take_along_axis(best, order, axis=1), axis=1)
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.r_[0.0, np.cumsum(discount)][np.minimum(relevant.sum(axis=1), k)]
    return float(((hits * discount).sum(axis=1) / ideal).mean())


def _matrix(histories: Histories, n_items: int) -> Bools:
    rows = np.repeat(np.arange(len(histories)), histories.lengths)
    matrix = np.zeros((len(histories), n_items), dtype=bool)
    matrix[rows, histories.items] = True
    return matrix

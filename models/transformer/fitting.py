"""One fit: windows of users' sequences, the softmax over what came next, and the steps."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.averaged_training import AveragedTraining, Batch
from models.content import Content
from models.content_periods import ContentPeriods
from models.data import Dataset
from models.modality_dropout import ModalityDropout
from models.reducers import CrossFitted
from models.retrieval_loss import CandidateDraw, Candidates, focused_softmax_loss
from models.sequences import Rows, Scale, knowledge_batches
from models.training import torch_generator
from models.transformer.config import TransformerConfig
from models.transformer.network import TransformerNetwork
from models.transformer.transitions import TransitionFactors
from models.transformer.windows import (
    Log,
    Windows,
    cut,
    drawn_rows,
    first_rows,
    had_from,
    window_length,
)
from models.warm_start import EarlierFit


@dataclass(frozen=True)
class Task:
    """What a step asks for.

    Attributes:
        positions: (b, t) int64 places of the sequences that are asked.
        shares: (b, t) how much each counts; 0 where there is none.
        items: (b, t, h) int64 dense indexes of what came next.
        weights: (b, t, h) how much each of them is wanted; 0 where there is none.
    """

    positions: Tensor
    shares: Tensor
    items: Tensor
    weights: Tensor


class Trainer:
    """Runs the epochs of one network over one dataset."""

    def __init__(
        self,
        network: TransformerNetwork,
        dataset: Dataset,
        reducers: dict[str, CrossFitted],
        scale: Scale,
        config: TransformerConfig,
        device: torch.device,
        earlier: EarlierFit | None = None,
    ) -> None:
        self.network, self.config, self.device = network, config, device
        self.events = dataset.train
        self.log = Log.of(self.events, first_rows(self.events), scale, config.gap_buckets)
        counts = np.bincount(self.events.items, minlength=dataset.n_items)
        self.draw = CandidateDraw.of(counts, config.sampled_items)
        self._start(dataset, counts, earlier)
        self.periods = ContentPeriods.of(dataset, reducers, config.periods, device)
        self.hide = ModalityDropout(
            config.modality_dropout,
            config.id_dropout,
            behavioural=torch.from_numpy(self.periods.behavioural).to(device),
        )
        self.generator = torch_generator(config.seed)
        self.training = AveragedTraining(network, self._groups(), config, device)

    def _start(self, dataset: Dataset, counts: Rows, earlier: EarlierFit | None) -> None:
        config = self.config
        factors = TransitionFactors.fit(
            dataset.train, dataset.n_users, dataset.n_items, config.dim, config.seed
        )
        if earlier is not None:
            factors = factors.turned_to(earlier.table("items.id.weight"), earlier.learned)
        gain = config.transition_gain**0.5
        whole, folds = (torch.from_numpy(x * gain) for x in (factors.whole, factors.folds))
        self.fold_of, self.shifts = factors.fold_of, (folds - whole).to(self.device)
        self.network.start_from(torch.from_numpy(counts).to(self.device), whole.to(self.device))
        if earlier is not None:
            earlier.resume(self.network)

    def _groups(self) -> list[dict[str, Any]]:
        tables = {id(table) for table in self.network.tables()}
        shared = [weight for weight in self.network.parameters() if id(weight) not in tables]
        return [
            {"params": shared, "weight_decay": self.config.weight_decay},
            # Decay would pull a rare item from where it began, each step it is absent.
            {"params": self.network.tables(), "weight_decay": 0.0},
        ]

    def epoch(self) -> float:
        """One pass over a draw of the windows; returns the mean loss."""
        config = self.config
        windows = cut(self.events, config.history, self.generator)
        drawn = torch.randperm(len(windows), generator=self.generator)[: config.epoch_windows]
        windows = windows.take(np.sort(drawn.numpy()))
        batches = [
            Batch(
                partial(self._loss, self.periods.contents[period], self.shifts[fold], batch),
                len(batch),
            )
            for fold, period, batch in self._batches(windows)
        ]
        order = torch.randperm(len(batches), generator=self.generator)
        return self.training.take_steps([batches[turn] for turn in order.tolist()])

    def _batches(self, windows: Windows) -> Iterator[tuple[int, int, Windows]]:
        """Each window once, in batches of one fold of users and one period of knowledge."""
        folds = self.fold_of[self.events.users[windows.firsts]]
        for fold in range(len(self.shifts)):
            fold_windows = windows.take(np.flatnonzero(folds == fold))
            for period, firsts in knowledge_batches(
                fold_windows.firsts, self.periods.of_events, self.config.batch_size, self.generator
            ):
                yield fold, period, fold_windows.take(np.searchsorted(fold_windows.firsts, firsts))

    def _loss(self, content: Content, shifts: Tensor, windows: Windows) -> Tensor:
        """Mean loss of what followed the drawn places, plus the operator's auxiliary loss."""
        network, device = self.network, self.device
        task = self._task(windows)
        candidates = self.draw(task.items[task.weights > 0], self.generator)
        sequences = self.log.read(windows.reads, windows.stops - 1)
        needed = torch.unique(torch.cat([candidates.items, sequences.places[sequences.present]]))
        here = needed.to(device)
        known = torch.ones(len(needed), dtype=torch.bool, device=device)
        shown, known = self.hide(content.take(here), known)
        codes = network.items(shown, here, known, shifts[here])
        columns = torch.searchsorted(needed, candidates.items).to(device)
        logits = network.logits(
            codes.read,
            sequences.among(needed).to(device),
            task.positions.to(device),
            codes.wanted[columns],
            network.bias(here[columns], known[columns]),
        )
        logits = logits.masked_fill(self._had(windows, task, candidates), -torch.inf)
        hits = torch.searchsorted(candidates.items, task.items).clamp(max=len(columns) - 1)
        losses = focused_softmax_loss(
            logits,
            hits.to(device),
            task.weights.to(device),
            candidates.log_inclusion.to(device),
            self.config.focus,
        )
        shares = task.shares.to(device)
        loss = (losses * shares).sum() / shares.sum().clamp(min=1e-12)
        return loss + self.config.auxiliary_weight * network.items.auxiliary_loss(
            shown, here, known
        )

    def _task(self, windows: Windows) -> Task:
        """Some places of each window, and the events from there on.

        A place counts more the longer its user's past is, and a user's events count in all with
        the square root of their number, since all users count alike when lists are judged.
        """
        config = self.config
        rows, drawn = drawn_rows(windows, config.positions, self.generator)
        done = rows - windows.users[:, None]
        # A user has about so many windows; each counts 1/√ of that, so all together √.
        windows_of_user = (windows.ends - windows.users) / window_length(config.history)
        ripe = np.minimum((done + 1) / config.full_weight, 1.0)
        shares = drawn * ripe / np.sqrt(np.maximum(windows_of_user, 1.0))[:, None]
        wanted = rows[:, :, None] + np.arange(config.horizon)
        there = drawn[:, :, None] & (wanted < windows.ends[:, None, None])
        items = self.log.items[np.where(there, wanted, rows[:, :, None])]
        weights = there * config.horizon_decay ** np.arange(config.horizon)
        return Task(
            torch.from_numpy(rows - windows.reads[:, None]),
            torch.from_numpy(shares.astype(np.float32)),
            torch.from_numpy(items),
            torch.from_numpy(weights.astype(np.float32)),
        )

    def _had(self, windows: Windows, task: Task, candidates: Candidates) -> Tensor:
        """Which candidates (b, t, c) the user had already.

        Such items are never wanted again; left in, they would teach that a user dislikes whatever
        is like what they chose.
        """
        since = torch.from_numpy(had_from(windows, self.log, candidates.items.numpy()))
        return (since.unsqueeze(1) <= task.positions.unsqueeze(2)).to(self.device)

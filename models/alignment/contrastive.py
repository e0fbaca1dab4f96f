"""A linear head by contrast against locked text (Zhai et al. 2022), begun at the ridge solution."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch

from models.alignment.head import AlignmentHead
from models.data import Floats

_TEMPERATURE = 0.07
_LEARNING_RATE = 1e-4
_WEIGHT_DECAY = 1e-2
_BATCH = 1024


def contrastive_heads(
    start: AlignmentHead, features: Floats, anchors: Floats, *, epochs: int, seed: int
) -> Iterator[AlignmentHead]:
    """The head after each epoch of InfoNCE (van den Oord et al. 2018), both directions.

    Args:
        start: where the fit begins.
        features: (n, d) of the tower.
        anchors: (n, dim) unit text vectors, locked.
        epochs: passes over the items.
        seed: for the order of the items; the same seed gives the same heads on a CPU.
    """
    order = torch.Generator().manual_seed(seed)
    inputs = torch.from_numpy(((features - start.mean) / start.scale).astype(np.float32))
    targets = torch.from_numpy(np.ascontiguousarray(anchors, dtype=np.float32))
    weight = torch.from_numpy(start.weight.copy()).requires_grad_()
    bias = torch.from_numpy(start.bias.copy()).requires_grad_()
    optimizer = torch.optim.AdamW([weight, bias], lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    for epoch in range(1, epochs + 1):
        for rows in torch.split(torch.randperm(len(inputs), generator=order), _BATCH):
            mapped = torch.nn.functional.normalize(inputs[rows] @ weight + bias, dim=-1)
            logits = mapped @ targets[rows].T / _TEMPERATURE
            labels = torch.arange(len(rows))
            loss = (
                torch.nn.functional.cross_entropy(logits, labels)
                + torch.nn.functional.cross_entropy(logits.T, labels)
            ) / 2
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        yield replace(
            start,
            weight=weight.detach().numpy().copy(),
            bias=bias.detach().numpy().copy(),
            method="contrastive",
            strength=float(epoch),
        )


def best_epoch(
    heads: Iterator[AlignmentHead], judge: Callable[[AlignmentHead], float], patience: int
) -> tuple[AlignmentHead, float]:
    """The head that `judge` likes best, given up after `patience` epochs without a better one."""
    best, best_score, waited = next(heads), float("-inf"), 0
    best_score = judge(best)
    for head in heads:
        score = judge(head)
        if score > best_score:
            best, best_score, waited = head, score, 0
        else:
            waited += 1
        if waited >= patience:
            break
    return best, best_score

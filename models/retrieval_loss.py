"""The softmax over items: which items a step ranks, and the loss of ranking them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.data import Floats, Longs
from models.sequences import Events


@dataclass(frozen=True)
class Candidates:
    """The items a step ranks: all of training, or a draw of them.

    Attributes:
        items: (c,) int64 dense item indexes, sorted.
        log_inclusion: (c,) log of the chance with which each was drawn; zero where all are there.
    """

    items: Tensor
    log_inclusion: Tensor


@dataclass(frozen=True)
class CandidateDraw:
    """How the items of a step are chosen.

    Attributes:
        seen: (s,) int64 items with training events, sorted.
        shares: (s,) their shares of the training events.
        most: up to so many items the softmax is exact; above, so many are drawn a step.
    """

    seen: Longs
    shares: Floats
    most: int

    @staticmethod
    def of(counts: Longs, most: int) -> "CandidateDraw":
        """The draw for items with so many training events each (n_items,)."""
        seen = np.flatnonzero(counts)
        return CandidateDraw(seen, counts[seen] / max(1, counts.sum()), most)

    def __call__(self, wanted: Tensor, generator: torch.Generator) -> Candidates:
        """All seen items, or a uniform draw and the wanted items (w,) int64 with their chances."""
        n = len(self.seen)
        if n <= self.most:
            return Candidates(torch.from_numpy(self.seen), torch.zeros(n))
        drawn = torch.randperm(n, generator=generator)[: self.most].numpy()
        chosen = np.union1d(drawn, np.searchsorted(self.seen, wanted.numpy()))
        missed = (1 - self.most / n) * (1 - self.shares[chosen]) ** len(wanted)
        return Candidates(
            torch.from_numpy(self.seen[chosen]), torch.from_numpy(np.log1p(-missed)).float()
        )


def focused_softmax_loss(
    logits: Tensor, hits: Tensor, weights: Tensor, log_inclusion: Tensor, focus: float
) -> Tensor:
    """The weighted mean (…) of (1 - p^q) / q over each row's wanted columns; 0 without any.

    q = `focus` in (0, 1] scales the gradient of -log p by p^q (generalised cross-entropy, Zhang and
    Sabuncu 2018): items that no model could predict, and that no list shows, count for little. At
    q = 0 it is -log p itself.

    Each candidate stands for 1 / chance items (sampled softmax, Bengio and Senécal 2008; Horvitz
    and Thompson 1952); a chance of 1 for all makes it the exact softmax.

    Args:
        logits: (…, c) of the candidates.
        hits: (…, p) int64 columns of the wanted items.
        weights: (…, p) how much each is wanted; one whose logit is -inf counts as 0.
        log_inclusion: (c,) log of the chance with which each candidate was drawn.
        focus: q.
    """
    normaliser = torch.logsumexp(logits.float() - log_inclusion, dim=-1, keepdim=True)
    hit_logits = logits.gather(-1, hits).float()
    weights = weights * torch.isfinite(hit_logits)
    losses = (normaliser - hit_logits).masked_fill(weights == 0, 0.0)
    if focus > 0:
        losses = -torch.expm1(-focus * losses) / focus
    return (losses * weights).sum(dim=-1) / weights.sum(dim=-1).clamp(min=1e-12)


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
    hit_logits = logits.float().gather(1, hits)
    present = present & torch.isfinite(hit_logits)
    losses = (normaliser - hit_logits).masked_fill(~present, 0.0)
    return (losses.sum(dim=1) / present.sum(dim=1).clamp(min=1)).mean()


def log_popularity(counts: Tensor) -> Tensor:
    """Where the popularity of items begins: the log of their events (n_items,) less its mean.

    The mean is over the items that have any; the others are taken to have one.
    """
    logs = counts.clamp(min=1).float().log()
    return logs - logs[counts > 0].mean() if (counts > 0).any() else logs

"""Why an item was recommended, by leaving things out."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from models.content import Content
from models.data import Floats, Histories, Ints
from models.mmnn.network import MMNNNetwork
from models.sequences import Events, recent_of
from models.training import one_thread

if TYPE_CHECKING:
    from models.mmnn.model import MMNN

_PAST = 3
_USERS_AT_ONCE = 256


@dataclass(frozen=True)
class Explanation:
    """What moved the scores of k items a user.

    Attributes:
        modalities: names of the m modalities.
        shares: (n_users, k, m) each modality's share of what the item's score loses when one of
            them is hidden; a row sums to 1, or is all zero where none helped.
        past_items: (n_users, k, 3) the past items whose absence costs the score most, first the
            strongest; -1 where fewer helped.
        past_weights: (n_users, k, 3) the score they brought; 0 where there is none.
    """

    modalities: tuple[str, ...]
    shares: Floats
    past_items: Ints
    past_weights: Floats


@torch.no_grad()
def ablated_codes(network: MMNNNetwork, content: Content, known: Tensor) -> Tensor:
    """Codes (m, n_items, d) of all items as if none had modality k, for each of the m.

    On one thread, as a fit is: its explanations do not depend on the machine's cores.

    Args:
        network: fitted.
        content: of all items.
        known: (n_items,) bool, whose id is read.
    """
    modalities = range(content.present.shape[1])
    with one_thread():
        codes = [network.codes(content.without(place), known) for place in modalities]
        return torch.stack(codes) if codes else network.codes(content, known).unsqueeze(0)[:0]


@dataclass(frozen=True)
class Reading:
    """What the network makes of some users' histories: enough to score and to explain.

    Attributes:
        past: their l last events.
        vectors: (u, e) of the users.
        without: (u, l, e) as if event j alone had not been.
    """

    past: Events
    vectors: Tensor
    without: Tensor


@torch.no_grad()
def read(model: "MMNN", users: Histories) -> Reading:
    """Reads users as the model does, and as it would without each event."""
    past = recent_of(users, model.scale, model.config.history).to(model.device)
    both = model.network.users.whole_and_without_each(
        model.codes_of(past.items), past.values, past.present
    )
    return Reading(past, both[:, 0], both[:, 1:])


@torch.no_grad()
def explain(model: "MMNN", users: Histories, items: Ints) -> Explanation:
    """See `MMNN.explain`."""
    starts = range(0, len(users), _USERS_AT_ONCE) if len(users) else range(1)
    parts = [
        explain_read(
            model,
            read(model, users.rows(start, start + _USERS_AT_ONCE)),
            items[start:][:_USERS_AT_ONCE],
        )
        for start in starts
    ]
    return Explanation(
        model.modalities,
        np.concatenate([part.shares for part in parts]),
        np.concatenate([part.past_items for part in parts]),
        np.concatenate([part.past_weights for part in parts]),
    )


@torch.no_grad()
def explain_read(model: "MMNN", users: Reading, items: Ints) -> Explanation:
    """Explains items (u, k) to users who were read; see `MMNN.explain`."""
    asked = torch.from_numpy(items.astype(np.int64)).to(model.device)
    real = asked >= 0
    asked = asked.clamp(min=0)
    codes = model.candidates_of(asked)  # u k e
    lost = codes - model.network.retrieval.candidates(model.ablated_of(asked))  # m u k e
    drops = torch.einsum("ue,muke->ukm", users.vectors, lost)
    drops = drops.clamp(min=0) * real.unsqueeze(-1)
    shares = drops / drops.sum(dim=-1, keepdim=True).clamp(min=1e-12)
    brought = torch.einsum("ule,uke->ukl", users.vectors.unsqueeze(1) - users.without, codes)
    strongest, weights = _strongest(users.past, brought, real)
    return Explanation(model.modalities, shares.cpu().numpy(), strongest, weights)


def _strongest(past: Events, brought: Tensor, real: Tensor) -> tuple[Ints, Floats]:
    """Of past events, which brought so much (u, k, l), the strongest items (u, k, 3) and weights.

    Args:
        past: the l last events of each user.
        brought: (u, k, l) score of item k that is lost without event l.
        real: (u, k) which of the k are items at all.
    """
    told = past.present & ~_repeated(past.items, past.present)
    usable = told.unsqueeze(1) & real.unsqueeze(-1) & (brought > 0)
    brought = brought.masked_fill(~usable, 0.0)
    top, places = brought.topk(min(_PAST, brought.shape[-1]), dim=-1)
    chosen = past.items.unsqueeze(1).expand_as(brought).gather(-1, places)
    chosen = chosen.masked_fill(top <= 0, -1)
    short = (0, _PAST - top.shape[-1])
    return (
        torch.nn.functional.pad(chosen, short, value=-1).cpu().numpy().astype(np.int32),
        torch.nn.functional.pad(top, short).float().cpu().numpy(),
    )


def _repeated(items: Tensor, present: Tensor) -> Tensor:
    """Which events (u, l), newest first, are on an item that a newer event is on already."""
    same = (items.unsqueeze(2) == items.unsqueeze(1)) & present.unsqueeze(1)  # u l l
    return same.tril(diagonal=-1).any(dim=2)

"""Why an item was recommended, by leaving things out."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.data import Floats, Histories, Ints
from models.explanation import BEHAVIOUR, PAST_ITEMS, Explanation, shares_of, stacked
from models.mmnn.fitted import FittedMMNN
from models.sequences import Events, recent_of

_USERS_AT_ONCE = 256


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
def read(model: FittedMMNN, users: Histories) -> Reading:
    """Reads users as the model does, and as it would without each event."""
    past = recent_of(users, model.scale, model.config.history).to(model.device)
    both = model.network.users.whole_and_without_each(
        model.items.codes_of(past.items), past.values, past.present
    )
    return Reading(past, both[:, 0], both[:, 1:])


@torch.no_grad()
def explain(model: FittedMMNN, users: Histories, items: Ints) -> Explanation:
    """See `MMNN.explain`."""
    parts = [
        explain_read(
            model,
            read(model, users.rows(start, start + _USERS_AT_ONCE)),
            items[start:][:_USERS_AT_ONCE],
        )
        for start in range(0, len(users), _USERS_AT_ONCE)
    ]
    return stacked(parts, parts_of(model), items.shape[1])


def parts_of(model: FittedMMNN) -> tuple[str, ...]:
    """What an MMNN's scores come from, in the order of `ablated_codes`."""
    return (*model.modalities, BEHAVIOUR)


@torch.no_grad()
def explain_read(model: FittedMMNN, users: Reading, items: Ints) -> Explanation:
    """Explains items (u, k) to users who were read; see `MMNN.explain`."""
    indexes = torch.from_numpy(items.astype(np.int64)).to(model.device)
    real = indexes >= 0
    indexes = indexes.clamp(min=0)
    codes = model.items.candidates_of(indexes)  # u k e
    lost = codes - model.network.retrieval.candidates(
        model.items.ablated_of(indexes)
    )  # m + 1, u k e
    drops = torch.einsum("ue,muke->ukm", users.vectors, lost)
    # An untouched item has no id, and no popularity of its own.
    drops[..., -1] += model.items.bias_of(indexes)
    shares, moved = shares_of((drops * real.unsqueeze(-1)).cpu().numpy())
    brought = torch.einsum("ule,uke->ukl", users.vectors.unsqueeze(1) - users.without, codes)
    strongest, weights = _strongest(users.past, brought, real)
    return Explanation(parts_of(model), shares, moved, strongest, weights)


def _strongest(past: Events, brought: Tensor, real: Tensor) -> tuple[Ints, Floats]:
    """Of past events, which brought so much (u, k, l), the strongest items (u, k, 3) and weights.

    Args:
        past: the l last events of each user.
        brought: (u, k, l) score of item k that is lost without event l.
        real: (u, k) which of the k are items at all.
    """
    once = past.present & ~_repeated(past.items, past.present)
    usable = once.unsqueeze(1) & real.unsqueeze(-1) & (brought > 0)
    brought = brought.masked_fill(~usable, 0.0)
    top, places = brought.topk(min(PAST_ITEMS, brought.shape[-1]), dim=-1)
    chosen = past.items.unsqueeze(1).expand_as(brought).gather(-1, places)
    chosen = chosen.masked_fill(top <= 0, -1)
    short = (0, PAST_ITEMS - top.shape[-1])
    return (
        torch.nn.functional.pad(chosen, short, value=-1).cpu().numpy().astype(np.int32),
        torch.nn.functional.pad(top, short).float().cpu().numpy(),
    )


def _repeated(items: Tensor, present: Tensor) -> Tensor:
    """Which events (u, l), newest first, are on an item that a newer event is on already."""
    same = (items.unsqueeze(2) == items.unsqueeze(1)) & present.unsqueeze(1)  # u l l
    return same.tril(diagonal=-1).any(dim=2)

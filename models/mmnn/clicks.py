"""What the click head says of pairs."""

from typing import TYPE_CHECKING

import numpy as np
import torch

from models.data import Floats, Histories, Ints

if TYPE_CHECKING:
    from models.mmnn.model import MMNN

_USERS_AT_ONCE = 256


@torch.no_grad()
def predict_clicks(model: "MMNN", users: Histories, items: Ints) -> Floats:
    """See `MMNN.predict_clicks`."""
    found = np.zeros(items.shape, dtype=np.float32)
    for start in range(0, len(users), _USERS_AT_ONCE):
        rows = slice(start, start + _USERS_AT_ONCE)
        asked = torch.from_numpy(items[rows].astype(np.int64)).to(model.device)
        vectors = model.user_vectors(users.rows(rows.start, rows.stop))
        vectors = vectors.unsqueeze(1).expand(-1, items.shape[1], -1)  # u k e
        logits = model.network.clicks(vectors, model.codes_of(asked.clamp(min=0)))
        chances = torch.sigmoid(logits.float()).masked_fill(asked < 0, 0.0)
        found[rows] = chances.cpu().numpy()
    return found

"""What the click head says of pairs."""

import numpy as np
import torch

from models.data import Floats, Histories, Ints
from models.mmnn.fitted import FittedMMNN

_USERS_AT_ONCE = 256


@torch.no_grad()
def predict_clicks(model: FittedMMNN, users: Histories, items: Ints) -> Floats:
    """See `MMNN.predict_clicks`."""
    chances = np.zeros(items.shape, dtype=np.float32)
    for start in range(0, len(users), _USERS_AT_ONCE):
        rows = slice(start, start + _USERS_AT_ONCE)
        wanted = torch.from_numpy(items[rows].astype(np.int64)).to(model.device)
        vectors = model.user_vectors(users.rows(rows.start, rows.stop))
        vectors = vectors.unsqueeze(1).expand(-1, items.shape[1], -1)  # u k e
        logits = model.network.clicks(vectors, model.items.codes_of(wanted.clamp(min=0)))
        probabilities = torch.sigmoid(logits.float()).masked_fill(wanted < 0, 0.0)
        chances[rows] = probabilities.cpu().numpy()
    return chances

"""The candidate for champion, asked about some users before it may answer anyone."""

from typing import TYPE_CHECKING

import numpy as np

from assets.datasets import SplitData
from assets.masking import drawn_users, modalities_read
from assets.registry import open_registry
from crossmodal.workspace import Workspace
from models.catalogue import entry_of
from models.data import Histories

if TYPE_CHECKING:
    from models.gate_health import Health

_ASKED_USERS = 200
"""Users, drawn by the seed, whose scores are looked at."""

_MOST_SCORES = 20_000_000
"""Scores held in memory at a time: 80 MB; in a large catalogue fewer users are asked about."""


def candidate_health(workspace: Workspace, name: str, version: str, data: SplitData) -> "Health":
    """Whether a version's scores are numbers, and move with every modality that it reads.

    Which items the test events are on has no part in it: only whose they are.

    Args:
        workspace: holds the version.
        name: of its entry in the catalogue.
        version: that was fitted to the training events of the split.
        data: the split.
    """
    from models.evaluation import known_events
    from models.gate_health import health

    dataset, seed = data.dataset, workspace.settings.seed
    most = max(1, min(_ASKED_USERS, _MOST_SCORES // max(1, dataset.n_items)))
    users = np.unique(drawn_users(data.test, most, seed).users)
    return health(
        open_registry(workspace).load(version),
        Histories.of(known_events(dataset), users),
        dataset.tokens,
        modalities_read(entry_of(name), dataset.tokens),
        seed,
    )

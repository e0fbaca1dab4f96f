"""The hidden truth of a generated catalogue, for tests and benchmarks alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from sources.protocol import SourceError
from sources.sample.tastes import Array, Items, Users, utility

_INSTANTS = (0.125, 0.375, 0.625, 0.875)


@dataclass(frozen=True)
class Truth:
    """What the generator knew.

    Attributes:
        user_ids: raw ids; `crossmodal.pseudonyms.pseudonym` gives what the platform calls them.
        item_ids: ids of the items.
        users: tastes and their drift.
        items: tastes, popularity, what each modality says, and which items nobody touched.
        shares: share of the preference variance that each modality tells of (`text`, `image`,
            `audio`), and that each block carries (`block_shared`, `block_text`, ...).
    """

    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    users: Users
    items: Items
    shares: dict[str, float]

    def scores(self, user_ids: Sequence[str], item_ids: Sequence[str]) -> Array:
        """A perfect recommender's scores (n_users, n_items): the mean over the user's time.

        Raises:
            KeyError: an id is not of this catalogue.
        """
        user_of = {key: position for position, key in enumerate(self.user_ids)}
        item_of = {key: position for position, key in enumerate(self.item_ids)}
        rows = np.array([user_of[key] for key in user_ids])
        columns = np.array([item_of[key] for key in item_ids])
        tastes = np.mean([self.users.at(instant) for instant in _INSTANTS], axis=0)
        return utility(tastes[rows], self.items)[:, columns]


def load_truth(root: Path) -> Truth:
    """The truth next to the catalogue in `root` (`SampleSource.root`).

    Raises:
        SourceError: the folder holds no generated catalogue.
    """
    folder = root / "truth"
    if not (folder / "shares.json").is_file():
        raise SourceError(f"{root} holds no generated catalogue; fetch the sample source first.")
    items = pl.read_parquet(folder / "items.parquet")
    users = pl.read_parquet(folder / "users.parquet")
    return Truth(
        user_ids=tuple(users["user_id"]),
        item_ids=tuple(items["item_id"]),
        users=Users(_matrix(users["early"]), _matrix(users["turn"])),
        items=Items(
            tastes=_matrix(items["taste"]),
            popularity=items["popularity"].to_numpy(),
            expressed={name: _matrix(items[f"{name}_says"]) for name in ("text", "image", "audio")},
            silent=items["silent"].to_numpy(),
        ),
        shares=json.loads((folder / "shares.json").read_text(encoding="utf-8")),
    )


def _matrix(column: pl.Series) -> Array:
    return np.array(column.to_list(), dtype=np.float64)

"""Where the modalities of an item meet: as features, before the trunk, or as scores, after it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from models.mmnn.config import FusionLevel, MMNNConfig
from models.mmnn.heads import DotProduct, PairHead, RetrievalHead
from models.mmnn.item_tower import FusedItemTower, ItemTower
from models.mmnn.model_fusion import (
    ModalityDotProducts,
    ModalityHeads,
    ModalityItemTowers,
    ModalityUserTowers,
)
from models.mmnn.user_tower import PooledUserTower, UserTower


@dataclass(frozen=True)
class Parts:
    """What a network is made of.

    Attributes:
        items: from tokens to codes.
        users: from the codes of a history to a user's vector.
        retrieval: ranks codes for a vector.
        head: what a task's own head becomes, given how to build one.
    """

    items: ItemTower
    users: UserTower
    retrieval: RetrievalHead
    head: Callable[[Callable[[], PairHead]], PairHead]


def feature_fusion(n_modalities: int, n_items: int, config: MMNNConfig) -> Parts:
    """The operator fuses the tokens; one trunk and one head a task read the result."""
    return Parts(
        FusedItemTower(n_modalities, n_items, config),
        PooledUserTower(config),
        DotProduct(),
        lambda build: build(),
    )


def model_fusion(n_modalities: int, n_items: int, config: MMNNConfig) -> Parts:
    """A trunk and a head a task for each modality; learned weights fuse their scores."""
    places = n_modalities + 2
    return Parts(
        ModalityItemTowers(n_modalities, n_items, config),
        ModalityUserTowers(places, config),
        ModalityDotProducts(places),
        partial(ModalityHeads, places),
    )


FUSION_LEVELS: Mapping[FusionLevel, Callable[[int, int, MMNNConfig], Parts]] = {
    "feature": feature_fusion,
    "model": model_fusion,
}
"""The parts by the setting `fusion_level`; each is made of (n_modalities, n_items, config)."""

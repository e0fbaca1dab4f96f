"""Which retrievers the hybrid stacks."""

from collections.abc import Callable, Mapping
from functools import partial

from models.baselines import (
    ALS,
    EASE,
    ALSConfig,
    ColdStartMap,
    ColdStartMapConfig,
    ContemporaryTransition,
    ContemporaryTransitionConfig,
    Content,
    ContentConfig,
    ContentPopularity,
    EASEConfig,
    ItemKNN,
    ItemKNNConfig,
    Popularity,
    RecentPopularity,
    RecentPopularityConfig,
    Transition,
    TransitionConfig,
)
from models.data import TIME_DEPENDENT, Dataset
from models.protocol import Recommender
from models.reducers import BLOCKS

_FEW_FACTORS = 24
"""Directions of taste that one modality alone, or a few events, can tell of."""

Builders = Mapping[str, Callable[[], Recommender]]


def all_retrievers(dataset: Dataset, seed: int = 42) -> Builders:
    """The simple ones and the networks."""
    return {**simple_retrievers(dataset, seed), **network_retrievers(seed)}


def simple_retrievers(dataset: Dataset, seed: int = 42) -> Builders:
    """Retrievers that count or solve rather than train, some with a short and a long memory.

    Args:
        dataset: each of its modalities gets its nearest neighbours.
        seed: of every retriever.
    """
    timeless = [name for name in dataset.tokens if name not in TIME_DEPENDENT]
    return {
        "popularity": partial(Popularity, seed),
        "recent_popularity": partial(
            RecentPopularity, RecentPopularityConfig(half_life_days=365, seed=seed)
        ),
        "ease": partial(EASE, EASEConfig(decay=1.0, seed=seed)),
        "ease_recent": partial(EASE, EASEConfig(decay=0.9, seed=seed)),
        "ease_last": partial(EASE, EASEConfig(decay=0.7, strength=100.0, seed=seed)),
        "item_knn": partial(ItemKNN, ItemKNNConfig(seed=seed)),
        "transition": partial(Transition, TransitionConfig(seed=seed)),
        "transition_next": partial(Transition, TransitionConfig(steps=3, last=1, seed=seed)),
        "transition_short": partial(
            Transition, TransitionConfig(steps=5, last=5, decay=0.6, seed=seed)
        ),
        "transition_long": partial(
            Transition,
            TransitionConfig(steps=50, step_decay=0.97, last=50, decay=0.95, power=0.4, seed=seed),
        ),
        "contemporary_transition": partial(
            ContemporaryTransition, ContemporaryTransitionConfig(seed=seed)
        ),
        "als": partial(ALS, ALSConfig(seed=seed)),
        "als_small": partial(ALS, ALSConfig(factors=16, confidence=5.0, seed=seed)),
        **{
            f"content_{name}": partial(
                Content, ContentConfig(modality=name, half_life=5.0, seed=seed)
            )
            for name in timeless
        },
        **(
            {"cold_start_map": partial(ColdStartMap, ColdStartMapConfig(decay=0.95, seed=seed))}
            if timeless
            else {}
        ),
    }


def cold_item_retrievers(dataset: Dataset, seed: int = 42) -> Builders:
    """The simple ones of items without events, and the network that ranks those best."""
    from models.mmnn import MMNN, MMNNConfig

    return {
        **simple_cold_item_retrievers(dataset, seed),
        "mmnn": partial(MMNN, MMNNConfig(seed=seed)),
    }


def simple_cold_item_retrievers(dataset: Dataset, seed: int = 42) -> Builders:
    """Retrievers of items without events: maps of all content and of each block, and neighbours.

    Args:
        dataset: its modalities that describe an item are used.
        seed: of every retriever.
    """
    timeless = [name for name in dataset.tokens if name not in TIME_DEPENDENT]
    few = {"factors": _FEW_FACTORS, "seed": seed}
    blocks = [block for name in timeless for block in BLOCKS.get(name, (name,))]
    maps = {
        "cold_start_map": ColdStartMapConfig(seed=seed),
        "cold_start_map_small": ColdStartMapConfig.model_validate(few),
        **{
            f"cold_start_map_{block}": ColdStartMapConfig.model_validate(
                few | {"left_out": tuple(other for other in blocks if other != block)}
            )
            for block in blocks
        },
    }
    return {
        "content_popularity": partial(ContentPopularity, ColdStartMapConfig(seed=seed)),
        **{name: partial(ColdStartMap, config) for name, config in maps.items()},
        **{
            f"content_{name}": partial(Content, ContentConfig(modality=name, seed=seed))
            for name in timeless
        },
    }


def network_retrievers(seed: int) -> Builders:
    """The three networks, on the CPU; they take most of the hybrid's time."""
    from models.gat import GAT, GATConfig
    from models.mmnn import MMNN, MMNNConfig
    from models.transformer import Transformer, TransformerConfig

    return {
        "mmnn": partial(MMNN, MMNNConfig(seed=seed)),
        "transformer": partial(Transformer, TransformerConfig(seed=seed)),
        "gat": partial(GAT, GATConfig(seed=seed)),
    }

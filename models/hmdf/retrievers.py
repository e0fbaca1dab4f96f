"""Which models the hybrid stacks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from crossmodal.modalities import TIME_DEPENDENT
from models.baselines import (
    ALS,
    ALSConfig,
    ColdStartMap,
    ColdStartMapConfig,
    Content,
    ContentConfig,
    ContentPopularity,
    Popularity,
    RecentPopularity,
    RecentPopularityConfig,
)
from models.data import Dataset
from models.explanation import POPULARITY
from models.protocol import Trainable
from models.reducers import BLOCKS

_FEW = {"factors": 24, "anchors": 2000, "judges": 400}
"""A map of few directions of taste, all that one modality alone can tell of: it takes few items to
learn those, and a quarter of the time."""

Builders = Mapping[str, Callable[[], Trainable]]


@dataclass(frozen=True)
class Retrievers:
    """Models whose scores the hybrid stacks, in addition to its own sums over a history.

    Attributes:
        solved: that count or solve; fitted to all that is known.
        trained: networks, fitted to all but each user's newest event, by which they stop.
        reads: what a score is a figure of, where that is not behaviour: the part's name.
    """

    solved: Builders
    trained: Builders = field(default_factory=dict)
    reads: Mapping[str, str] = field(default_factory=dict)


def all_retrievers(dataset: Dataset, seed: int = 42) -> Retrievers:
    """The simple ones and the networks."""
    return replace(simple_retrievers(dataset, seed), trained=network_retrievers(seed))


def simple_retrievers(dataset: Dataset, seed: int = 42) -> Retrievers:
    """What everyone chooses, for who has no history, and factors of who chose what.

    Args:
        dataset: not looked at: these need nothing but events.
        seed: of every retriever.
    """
    recent = RecentPopularityConfig(half_life_days=365, seed=seed)
    return Retrievers(
        {
            "popularity": partial(Popularity, seed),
            "recent_popularity": partial(RecentPopularity, recent),
            "als": partial(ALS, ALSConfig(factors=16, confidence=5.0, seed=seed)),
        },
        reads={"popularity": POPULARITY, "recent_popularity": POPULARITY},
    )


def cold_item_retrievers(dataset: Dataset, seed: int = 42) -> Retrievers:
    """Retrievers of items without events: maps of all content and of each block, and neighbours.

    Args:
        dataset: its modalities that describe an item are used.
        seed: of every retriever.
    """
    timeless = [name for name in dataset.tokens if name not in TIME_DEPENDENT]
    few = {**_FEW, "seed": seed}
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
    return Retrievers(
        {
            "content_popularity": partial(ContentPopularity, ColdStartMapConfig(seed=seed)),
            **{name: partial(ColdStartMap, config) for name, config in maps.items()},
            **{
                f"content_{name}": partial(Content, ContentConfig(modality=name, seed=seed))
                for name in timeless
            },
        },
        reads={f"content_{name}": name for name in timeless},
    )


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

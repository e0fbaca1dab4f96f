"""Our models: one `Entry` a row of the tables. A new model is one line in `registry`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from assets.datasets import COLD_ITEM, RANDOM, USER_TEMPORAL
from models.baselines.als import ALS, ALSConfig
from models.baselines.cold_start_map import ColdStartMap, ColdStartMapConfig
from models.baselines.content import Content, ContentConfig
from models.baselines.ease import EASE, EASEConfig
from models.baselines.item_knn import ItemKNN, ItemKNNConfig
from models.baselines.popularity import Popularity
from models.baselines.random_ranking import RandomRanking
from models.baselines.recent_popularity import RecentPopularity, RecentPopularityConfig
from models.baselines.transition import Transition, TransitionConfig
from models.data import MODALITIES, Dataset
from models.hmdf import HMDF, HMDFConfig, all_retrievers
from models.matrix_factorisation import MatrixFactorisation, MatrixFactorisationConfig
from models.mmnn import MMNN, MMNNConfig
from models.protocol import Recommender
from models.transformer import Transformer, TransformerConfig

OURS = "ours"
BASELINE = "baseline"

Settings = Mapping[str, Any]
Build = Callable[[Dataset, Settings], Recommender]

_WARM = (USER_TEMPORAL,)
_COLD = (COLD_ITEM,)
_BOTH = (USER_TEMPORAL, COLD_ITEM)
_RATED = (USER_TEMPORAL, RANDOM)


@dataclass(frozen=True)
class Entry:
    """One model of ours.

    Attributes:
        name: as the tables call it.
        kind: `ours` or `baseline`.
        splits: where it takes part.
        build: an unfitted model for a dataset, with settings beside its defaults.
        grid: the settings it is tuned over on validation; one needs no tuning.
        refits: learns from training and validation events together for the test, as the peers do;
            a model whose validation events stop its training does not.
        modality: without which it cannot be fitted; None where it needs none.
    """

    name: str
    kind: str
    splits: tuple[str, ...]
    build: Build
    grid: tuple[Settings, ...] = ({},)
    refits: bool = False
    modality: str | None = None


def registry(seed: int) -> tuple[Entry, ...]:
    """All our models in the order of the tables; `seed` is that of each."""
    return (
        Entry("random", BASELINE, _BOTH, lambda data, own: RandomRanking(seed)),
        Entry("popularity", BASELINE, _BOTH, lambda data, own: Popularity(seed), refits=True),
        Entry(
            "recent_popularity",
            BASELINE,
            _WARM,
            lambda data, own: RecentPopularity(RecentPopularityConfig(seed=seed, **own)),
            grid=_RECENT_POPULARITIES,
            refits=True,
        ),
        Entry(
            "item_knn",
            BASELINE,
            _WARM,
            lambda data, own: ItemKNN(ItemKNNConfig(seed=seed, **own)),
            grid=_ITEM_KNNS,
            refits=True,
        ),
        Entry(
            "ease",
            BASELINE,
            _WARM,
            lambda data, own: EASE(EASEConfig(seed=seed, **own)),
            grid=_EASES,
            refits=True,
        ),
        Entry(
            "als",
            BASELINE,
            _WARM,
            lambda data, own: ALS(ALSConfig(seed=seed, **own)),
            grid=_ALS,
            refits=True,
        ),
        Entry(
            "transition",
            BASELINE,
            _WARM,
            lambda data, own: Transition(TransitionConfig(seed=seed, **own)),
            grid=_TRANSITIONS,
            refits=True,
        ),
        *(_content(modality, seed) for modality in MODALITIES),
        Entry(
            "matrix_factorisation",
            BASELINE,
            _RATED,
            lambda data, own: MatrixFactorisation(MatrixFactorisationConfig(seed=seed, **own)),
            grid=_FACTORISATIONS,
            refits=True,
        ),
        Entry(
            "cold_start_map",
            OURS,
            _COLD,
            lambda data, own: ColdStartMap(ColdStartMapConfig(seed=seed)),
            refits=True,
        ),
        Entry("mmnn", OURS, _BOTH, lambda data, own: MMNN(MMNNConfig(seed=seed))),
        Entry(
            "mmnn_model_fusion",
            OURS,
            _BOTH,
            lambda data, own: MMNN(MMNNConfig(fusion_level="model", seed=seed)),
        ),
        Entry(
            "transformer",
            OURS,
            _BOTH,
            lambda data, own: Transformer(TransformerConfig(seed=seed)),
        ),
        Entry("gat", OURS, _BOTH, lambda data, own: _gat(seed)),
        Entry("hmdf", OURS, _WARM, lambda data, own: _hmdf(seed)),
    )


_RECENT_POPULARITIES: tuple[Settings, ...] = (
    {"half_life_days": 30},
    {"half_life_days": 120},
    {"half_life_days": 365},
)
_ITEM_KNNS: tuple[Settings, ...] = (
    {},
    {"neighbours": 300},
    {"decay": 0.85},
    {"decay": 1.0},
    {"shrinkage": 50.0},
)
_EASES: tuple[Settings, ...] = (
    {"decay": 1.0},
    {"decay": 1.0, "strength": 600.0},
    {},
    {"decay": 0.8},
    {"strength": 150.0},
    {"strength": 600.0},
)
_ALS: tuple[Settings, ...] = (
    {},
    {"factors": 32},
    {"factors": 128},
    {"strength": 20.0},
    {"confidence": 3.0},
)
_TRANSITIONS: tuple[Settings, ...] = (
    {},
    {"steps": 10, "step_decay": 0.8},
    {"steps": 50, "step_decay": 0.95},
    {"last": 10, "decay": 0.7},
    {"last": 50, "decay": 0.92},
    {"power": 0.2},
    {"power": 0.4},
    {"shrinkage": 2.0},
)
_FACTORISATIONS: tuple[Settings, ...] = (
    {"form": "concat"},
    {"form": "dot"},
    {"form": "dot", "dim": 64},
    {"form": "dot", "dim": 16},
    {"form": "dot", "strength": 0.1},
    {"form": "dot", "strength": 0.2},
    {"form": "dot", "dim": 64, "strength": 0.1},
    {"form": "dot", "dim": 64, "bias_strength": 0.02},
)
"""As many as cornac's MF is tuned over."""


def _content(modality: str, seed: int) -> Entry:
    config = ContentConfig(modality=modality, seed=seed)
    return Entry(
        f"content_{modality}", BASELINE, _BOTH, lambda data, own: Content(config), modality=modality
    )


def _hmdf(seed: int) -> Recommender:
    return HMDF(partial(all_retrievers, seed=seed), HMDFConfig(seed=seed))


def _gat(seed: int) -> Recommender:
    # torch-geometric takes seconds to import; a run without this model does without.
    from models.gat import GAT, GATConfig

    return GAT(GATConfig(seed=seed))

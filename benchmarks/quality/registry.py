"""Our models: one `Entry` a row of the tables. A new model is one line in `registry`."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from assets.datasets import COLD_ITEM, GLOBAL_TEMPORAL, RANDOM, USER_TEMPORAL
from models.baselines.als import ALS
from models.baselines.cold_start_map import ColdStartMap, ColdStartMapConfig
from models.baselines.configured import ConfiguredBaseline
from models.baselines.content import Content, ContentConfig
from models.baselines.ease import EASE
from models.baselines.item_knn import ItemKNN
from models.baselines.popularity import Popularity
from models.baselines.random_ranking import RandomRanking
from models.baselines.recent_popularity import RecentPopularity, RecentPopularityConfig
from models.baselines.transition import Transition
from models.data import MODALITIES, Dataset
from models.hmdf import HMDF, OF_ITEMS, HMDFConfig
from models.matrix_factorisation import MatrixFactorisation, MatrixFactorisationConfig
from models.mmnn import MMNN, MMNNConfig
from models.protocol import Recommender
from models.transformer import Transformer, TransformerConfig

HYBRID = "hmdf"
OURS = "ours"
BASELINE = "baseline"

Settings = Mapping[str, Any]
Build = Callable[[Dataset, Settings], Recommender]

_WARM = (USER_TEMPORAL, GLOBAL_TEMPORAL)
_COLD = (COLD_ITEM,)
_BOTH = (USER_TEMPORAL, COLD_ITEM)
_RANKED = (USER_TEMPORAL, GLOBAL_TEMPORAL, COLD_ITEM)
_RATED = (USER_TEMPORAL, RANDOM)

_WINDOWS = (7, 30, 90, 365)
"""Days over which popularity is counted in rows of its own.

Hard windows: whatever is older counts nothing. What forgets by halves is tuned in one row.
"""


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
        Entry("random", BASELINE, _RANKED, lambda data, own: RandomRanking(seed)),
        Entry("popularity", BASELINE, _RANKED, lambda data, own: Popularity(seed), refits=True),
        *(_of_late(days, seed) for days in _WINDOWS),
        *(_tuned(model, grid, seed) for model, grid in _TUNED.items()),
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
        Entry(HYBRID, OURS, _WARM, lambda data, own: _hmdf(seed)),
        Entry(HYBRID, OURS, _COLD, lambda data, own: _cold_hmdf(seed), refits=True),
    )


_TUNED: Mapping[type[ConfiguredBaseline[Any]], tuple[Settings, ...]] = {
    RecentPopularity: (
        {"half_life_days": 30},
        {"half_life_days": 120},
        {"half_life_days": 365},
    ),
    ItemKNN: (
        {},
        {"neighbours": 300},
        {"decay": 0.85},
        {"decay": 1.0},
        {"shrinkage": 50.0},
    ),
    EASE: (
        {"decay": 1.0},
        {"decay": 1.0, "strength": 600.0},
        {},
        {"decay": 0.8},
        {"strength": 150.0},
        {"strength": 600.0},
    ),
    ALS: (
        {},
        {"factors": 32},
        {"factors": 128},
        {"strength": 20.0},
        {"confidence": 3.0},
    ),
    Transition: (
        {},
        {"steps": 10, "step_decay": 0.8},
        {"steps": 50, "step_decay": 0.95},
        {"last": 10, "decay": 0.7},
        {"last": 50, "decay": 0.92},
        {"power": 0.2},
        {"power": 0.4},
        {"shrinkage": 2.0},
    ),
}
"""What the tuned baselines of a warm catalogue are tuned over, in the order of the tables."""

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


def _tuned(model: type[ConfiguredBaseline[Any]], grid: tuple[Settings, ...], seed: int) -> Entry:
    def build(data: Dataset, own: Settings) -> Recommender:
        return cast(Recommender, model(model.settings_type(seed=seed, **own)))

    return Entry(model.family, BASELINE, _WARM, build, grid=grid, refits=True)


def _of_late(days: int, seed: int) -> Entry:
    def build(data: Dataset, own: Settings) -> Recommender:
        config = RecentPopularityConfig(half_life_days=math.inf, seed=seed, **own)
        return cast(Recommender, RecentPopularity(config))

    grid = ({"window_days": days},)
    return Entry(f"recent_popularity_{days}d", BASELINE, _WARM, build, grid=grid, refits=True)


def _content(modality: str, seed: int) -> Entry:
    config = ContentConfig(modality=modality, seed=seed)
    return Entry(
        f"content_{modality}", BASELINE, _BOTH, lambda data, own: Content(config), modality=modality
    )


def _hmdf(seed: int) -> Recommender:
    return HMDF(HMDFConfig(seed=seed))


def _cold_hmdf(seed: int) -> Recommender:
    return HMDF(HMDFConfig(seed=seed, slices=5), slicing=OF_ITEMS)


def _gat(seed: int) -> Recommender:
    # torch-geometric takes seconds to import; a run without this model does without.
    from models.gat import GAT, GATConfig

    return GAT(GATConfig(seed=seed))

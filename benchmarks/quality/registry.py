"""Our models: one `Entry` per row of the tables, made from the catalogue, and some variants."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from models.baselines.recent_popularity import RecentPopularity, RecentPopularityConfig
from models.catalogue import CATALOGUE, ModelEntry
from models.data import Dataset
from models.hmdf import HMDF, OF_ITEMS, HMDFConfig
from models.mmnn import MMNN, MMNNConfig
from models.protocol import Trainable
from models.splits.names import COLD_ITEM, WARM_AND_COLD, WARM_SPLITS

HYBRID = "hmdf"
OURS = "ours"
BASELINE = "baseline"

Settings = Mapping[str, Any]
Build = Callable[[Dataset, Settings], Trainable]

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
        build: an unfitted model for a dataset, with settings in place of its defaults.
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
    known = [_of_catalogue(entry, seed) for entry in CATALOGUE if entry.benchmark is not None]
    return (*(_of_late(days, seed) for days in _WINDOWS), *known, *_variants(seed))


def _of_catalogue(entry: ModelEntry, seed: int) -> Entry:
    benchmark = entry.benchmark
    assert benchmark is not None

    def build(data: Dataset, settings: Settings) -> Trainable:
        return entry.build({**entry.fixed, "seed": seed, **settings})

    return Entry(
        entry.name,
        benchmark.kind,
        benchmark.splits,
        build,
        benchmark.grid,
        benchmark.refits,
        entry.modality,
    )


def _of_late(days: int, seed: int) -> Entry:
    def build(data: Dataset, settings: Settings) -> Trainable:
        config = RecentPopularityConfig(half_life_days=math.inf, seed=seed, **settings)
        return RecentPopularity(config)

    grid = ({"window_days": days},)
    return Entry(f"recent_popularity_{days}d", BASELINE, WARM_SPLITS, build, grid, refits=True)


def _variants(seed: int) -> tuple[Entry, ...]:
    """Models of the catalogue as the platform does not fit them."""
    of_scores = MMNNConfig(fusion_level="model", seed=seed)
    cold = HMDFConfig(seed=seed, slices=5)
    return (
        Entry("mmnn_model_fusion", OURS, WARM_AND_COLD, lambda data, settings: MMNN(of_scores)),
        Entry(
            HYBRID,
            OURS,
            (COLD_ITEM,),
            lambda data, settings: HMDF(cold, slicing=OF_ITEMS),
            refits=True,
        ),
    )

"""Whether the online store says what the offline store says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from crossmodal.paths import StatePaths
from feature_repo.live_features import reported_since, undone_since
from feature_repo.store import historical, online, open_store

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView


@dataclass(frozen=True)
class Disagreement:
    """One value that differs between the stores."""

    key: str
    feature: str
    online: str
    offline: str


@dataclass(frozen=True)
class ConsistencyReport:
    """Online against offline for some random keys.

    Attributes:
        keys: how many keys were compared, per entity.
        values: how many values were compared.
        disagreements: the values that differ; the first `shown` of them are kept.
        n_disagreements: how many values differ.
    """

    keys: dict[str, int]
    values: int
    n_disagreements: int
    disagreements: tuple[Disagreement, ...] = field(default=())

    @property
    def agrees(self) -> bool:
        """Whether all compared values are equal."""
        return self.n_disagreements == 0


def consistency(
    paths: StatePaths,
    names: Sequence[str],
    as_of: datetime,
    n_keys: int = 200,
    seed: int = 0,
    shown: int = 10,
) -> ConsistencyReport:
    """Reads the same random keys online and offline and compares every value with its type.

    Nulls and NaN equal themselves. Times are compared by the second, as Feast keeps no finer
    online. Keys of which something was reported or undone since the store was filled are left out:
    online they may be ahead of the tables.

    Args:
        paths: the home, materialized.
        names: the views to compare; one without a table is left out.
        as_of: the instant (UTC) up to which was materialized.
        n_keys: keys of each entity.
        seed: which keys.
        shown: most disagreements to describe.
    """
    store = open_store(paths)
    counts: dict[str, int] = {}
    values, found = 0, []
    for key, views in _views_by_key(store, names).items():
        keys = _sample(_tables(views), key, n_keys, seed)
        if not keys:
            counts[key] = 0
            continue
        references = [f"{view.name}:{each.name}" for view in views for each in view.features]
        asked = pl.DataFrame({key: keys}).with_columns(
            pl.lit(as_of).cast(pl.Datetime("us", "UTC")).alias("event_timestamp")
        )
        offline = historical(paths, asked, references)
        answer = online(paths, {key: keys}, references, store)
        # Last of all: what is pushed meanwhile is in the log before it is in the store.
        ahead = {*reported_since(paths)[key], *undone_since(paths)[key]}
        settled = [each not in ahead for each in keys]
        keys, offline = list(compress(keys, settled)), offline.filter(settled)
        counts[key] = len(keys)
        for name in offline.columns[2:]:
            values += len(keys)
            found += _differences(keys, name, list(compress(answer[name], settled)), offline[name])
    return ConsistencyReport(counts, values, len(found), tuple(found[:shown]))


def _views_by_key(store: "FeatureStore", names: Sequence[str]) -> "dict[str, list[FeatureView]]":
    """Online views of these names whose table is there, by join key."""
    from feature_repo.catalogue import table_path

    grouped: dict[str, list[FeatureView]] = {}
    for view in sorted(store.list_feature_views(), key=lambda each: each.name):
        if view.name in names and view.online and table_path(view).is_file():
            grouped.setdefault(view.entity_columns[0].name, []).append(view)
    return grouped


def _tables(views: "Iterable[FeatureView]") -> list[str]:
    from feature_repo.catalogue import table_path

    return [str(table_path(view)) for view in views]


def _sample(tables: list[str], key: str, n_keys: int, seed: int) -> list[str]:
    """Random keys among those that any of the tables has."""
    frames = [pl.scan_parquet(table).select(key) for table in tables]
    keys = pl.concat(frames).unique().sort(key).collect()[key]
    chosen = np.random.default_rng(seed).permutation(len(keys))[:n_keys]
    return keys[np.sort(chosen)].to_list()


def _differences(
    keys: list[str], name: str, answer: list[Any], offline: pl.Series
) -> list[Disagreement]:
    if isinstance(offline.dtype, pl.Datetime):
        offline = offline.dt.truncate("1s")
    known = pl.Series(name, answer, dtype=offline.dtype, strict=True)
    differs = known.ne_missing(offline).arg_true()
    return [
        Disagreement(keys[row], name, str(known[row]), str(offline[row]))
        for row in differs.to_list()
    ]

"""Feast's DuckDB offline store with ASOF joins: point in time features in bounded memory.

Feast's own store joins each entity row with every earlier row of its key and only then keeps the
newest, so that a key with many rows costs the product of both sides. DuckDB's ASOF join sorts both
sides once and takes the newest earlier row directly. All else is Feast's.

    offline_store:
      type: feature_repo.asof_offline_store.AsofDuckDBOfflineStore
      memory_limit: 4GB
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
from feast import FeatureView, FileSource
from feast.data_source import DataSource
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.duckdb import (
    DuckDBOfflineStore,
    DuckDBOfflineStoreConfig,
    _read_data_source,
    _write_data_source,
)
from feast.infra.offline_stores.ibis import IbisRetrievalJob
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import RepoConfig
from feast.saved_dataset import SavedDatasetStorage
from ibis.expr import datatypes as dt
from ibis.expr.types import Table
from pydantic import PositiveInt, StrictStr

from feature_repo.bounded_engine import bound_engine, view_of
from feature_repo.newest_rows import newest_rows

_UTC = dt.Timestamp(timezone="UTC")
_ROW, _KEY, _AT, _CREATED, _RANK = "__row", "__key_", "__at", "__created", "__rank"


class AsofDuckDBOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """Settings of the store, in feature_store.yaml under `offline_store`.

    Attributes:
        type: the store's class.
        memory_limit: the most that DuckDB may hold, as it writes it ("4GB"); it spills the rest.
        threads: that DuckDB may use.
        temp_directory: where it spills; relative to the repo. By default a private folder among the
            machine's temporary files, where DuckDB alone would make one in the working folder.

    The limits are those of the process: a store without its own takes what another one has set.
    """

    type: StrictStr = "feature_repo.asof_offline_store.AsofDuckDBOfflineStore"
    memory_limit: StrictStr | None = None
    threads: PositiveInt | None = None
    temp_directory: StrictStr | None = None


class AsofDuckDBOfflineStore(DuckDBOfflineStore):
    """Feast's DuckDB store with other queries for history and for the newest rows."""

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
    ) -> RetrievalJob:
        """The newest row of each view at or before each entity row's instant, null where there is
        none or where it is older than the view's TTL.

        Equal to Feast's answer, and in the order of the entity rows. Of rows of one key and instant
        the one that was created last counts; without a `created_timestamp_column` Feast leaves open
        which, and so does this store. Two kinds of request go Feast's own way, at its price: those
        with `filter_by_created_timestamp`, which compares a second instant, and views whose source
        is no file.

        Args:
            config: of the repo.
            feature_views: that the features are of.
            feature_refs: `view:feature`.
            entity_df: join keys and the event timestamp; or a SELECT of DuckDB that returns them,
                for entity rows that would not fit in memory.
            registry: of the repo.
            project: of the repo.
            full_feature_names: whether columns are named `view__feature`.
            filter_by_created_timestamp: whether rows that were created after an entity row's
                instant are unknown to it.
        """
        of_files = all(isinstance(view.batch_source, FileSource) for view in feature_views)
        if filter_by_created_timestamp or not of_files:
            return DuckDBOfflineStore.get_historical_features(
                config,
                feature_views,
                feature_refs,
                entity_df,
                registry,
                project,
                full_feature_names,
                filter_by_created_timestamp,
            )
        bound_engine(config)
        entities = _entity_rows(entity_df)
        answer = entities.table
        names: list[str] = []
        for view in feature_views:
            features = _view_features(view, feature_refs, full_feature_names)
            known = _known(view, features, str(config.repo_path))
            answer = _joined(answer, entities.at, known, view, features)
            names += features
        on_demand = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        return _job(
            answer.order_by(_ROW).drop(_ROW), entities, names, on_demand, config, full_feature_names
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        """The newest row of each key from `start_date` to `end_date`: what is materialized."""
        bound_engine(config)
        newest = newest_rows(
            _read_data_source(data_source, str(config.repo_path)),
            join_key_columns,
            feature_name_columns,
            timestamp_field,
            created_timestamp_column,
            (start_date, end_date),
        )
        return _pulled(newest, config)


class StreamedRetrievalJob(IbisRetrievalJob):
    """Feast's job, which writes a Parquet file as the rows come, never all of them in memory."""

    def persist(
        self,
        storage: SavedDatasetStorage,
        allow_overwrite: bool = False,
        timeout: int | None = None,
    ) -> None:
        """Writes the answer where a saved dataset lies.

        Args:
            storage: a file ending in .parquet is streamed; all else is written Feast's way.
            allow_overwrite: whether a file that is there is replaced.
            timeout: passed on.

        Raises:
            SavedDatasetLocationAlreadyExists: there is a file, and it may not be replaced.
        """
        source = storage.to_data_source()
        path = Path(getattr(source, "path", ""))
        local = path.is_absolute() and path.suffix == ".parquet"
        if not isinstance(source, FileSource) or not local:
            super().persist(storage, allow_overwrite, timeout)
            return
        if path.exists() and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=str(path))
        self.table.to_parquet(path)


def _pulled(table: Table, config: RepoConfig) -> StreamedRetrievalJob:
    """A table as the job of a materialization."""
    store = config.offline_store
    return StreamedRetrievalJob(
        table,
        [],
        full_feature_names=False,
        metadata=None,
        data_source_writer=_write_data_source,
        staging_location=store.staging_location,
        staging_location_endpoint_override=store.staging_location_endpoint_override,
        repo_path=str(config.repo_path),
    )


@dataclass(frozen=True)
class _EntityRows:
    """What features are asked for.

    Attributes:
        table: keys, `at` in UTC, whatever else came along, and the row's number.
        at: name of the column of instants.
        keys: names of all other columns.
        earliest: instant.
        latest: instant.
    """

    table: Table
    at: str
    keys: list[str]
    earliest: datetime
    latest: datetime


def _job(
    answer: Table,
    entities: _EntityRows,
    names: list[str],
    on_demand: list[OnDemandFeatureView],
    config: RepoConfig,
    full_feature_names: bool,
) -> StreamedRetrievalJob:
    """The answer as Feast's job, as Feast's own store makes it of such a table.

    Args:
        answer: the entity rows with their features.
        entities: what was asked for.
        names: of the features in the answer.
        on_demand: what is computed of them; ibis does those in Substrait, the job the others.
        config: of the repo.
        full_feature_names: whether columns are named `view__feature`.
    """
    for transformation in on_demand:
        if transformation.mode == "substrait":
            answer = transformation.transform_ibis(answer, full_feature_names)
    store = config.offline_store
    return StreamedRetrievalJob(
        answer,
        [each for each in on_demand if each.mode != "substrait"],
        full_feature_names,
        metadata=RetrievalMetadata(
            features=names,
            keys=entities.keys,
            min_event_timestamp=entities.earliest,
            max_event_timestamp=entities.latest,
        ),
        data_source_writer=_write_data_source,
        staging_location=store.staging_location,
        staging_location_endpoint_override=store.staging_location_endpoint_override,
        repo_path=str(config.repo_path),
    )


def _entity_rows(entity_df: pd.DataFrame | str) -> _EntityRows:
    if isinstance(entity_df, str):
        table = view_of(entity_df)
        dtypes: Mapping[str, Any] = dict(table.schema().to_pandas())
    else:
        dtypes = dict(zip(entity_df.columns, entity_df.dtypes, strict=True))
        table = ibis.memtable(_with_instants(entity_df, _event_timestamp(dtypes)))
    at = _event_timestamp(dtypes)
    table = table.mutate(**{at: table[at].cast(_UTC), _ROW: ibis.row_number()})
    span = table.aggregate(earliest=table[at].min(), latest=table[at].max()).execute()
    return _EntityRows(
        table,
        at,
        [name for name in dtypes if name != at],
        span["earliest"].iloc[0].to_pydatetime(),
        span["latest"].iloc[0].to_pydatetime(),
    )


def _event_timestamp(dtypes: Mapping[str, Any]) -> str:
    name: str = infer_event_timestamp_from_entity_df(dict(dtypes))
    return name


def _with_instants(frame: pd.DataFrame, at: str) -> pd.DataFrame:
    """The frame with instants where Feast allows text or objects."""
    instants = frame[at].infer_objects()
    if pd.api.types.is_string_dtype(instants) or pd.api.types.is_object_dtype(instants):
        return frame.assign(**{at: pd.to_datetime(instants, utc=True)})
    return frame


def _view_features(view: FeatureView, references: list[str], full: bool) -> dict[str, str]:
    """Names in the answer of the features that are asked of a view, and those in its table."""
    prefix: str = view.projection.name_to_use()  # type: ignore[no-untyped-call]
    features = [name.split(":")[1] for name in references if name.startswith(f"{prefix}:")]
    base = view.projection.name_alias or view.name
    return {f"{base}__{name}" if full else name: name for name in features}


def _join_keys(view: FeatureView) -> dict[str, str]:
    """A view's join keys, and what the entity rows call them."""
    keys: dict[str, str] = view.projection.join_key_map or {
        entity.name: entity.name for entity in view.entity_columns
    }
    return keys


def _known(view: FeatureView, features: dict[str, str], repo_path: str) -> Table:
    """A view's table as it is joined: keys, instants, and features by their names in the answer."""
    source = view.batch_source
    if source is None:
        raise ValueError(f"Feature view {view.name!r} has no batch source to read from.")
    table = _read_data_source(source, repo_path)
    renamed = {new: old for old, new in source.field_mapping.items() if old in table.columns}
    table = table.rename(renamed)
    columns = {f"{_KEY}{place}": table[key] for place, key in enumerate(_join_keys(view))}
    columns[_AT] = table[source.timestamp_field].cast(_UTC)
    columns |= {answered: table[stored] for answered, stored in features.items()}
    if not source.created_timestamp_column:
        return table.select(**columns)
    columns[_CREATED] = table[source.created_timestamp_column].cast(_UTC)
    table = table.select(**columns)
    of_one_instant = [name for name in columns if name.startswith(_KEY)] + [_AT]
    rank = ibis.row_number().over(
        group_by=of_one_instant, order_by=ibis.desc(table[_CREATED], nulls_first=False)
    )
    table = table.mutate(**{_RANK: rank})
    return table.filter(table[_RANK] == 0).drop(_RANK, _CREATED)


def _joined(
    rows: Table, at: str, known: Table, view: FeatureView, features: dict[str, str]
) -> Table:
    """The rows with the features of the newest known row at or before their instant."""
    keys = [
        known[f"{_KEY}{place}"] == rows[name]
        for place, name in enumerate(_join_keys(view).values())
    ]
    joined = rows.asof_join(known, on=rows[at] >= known[_AT], predicates=keys)
    ttl: timedelta | None = view.ttl
    if not ttl:
        return joined.select(*rows.columns, *features)
    fresh = joined[_AT] + ibis.literal(ttl) >= joined[at]
    values = {name: ibis.ifelse(fresh, joined[name], ibis.null()) for name in features}
    return joined.select(*rows.columns, **values)

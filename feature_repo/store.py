"""Feast's store of one home: opened, applied, asked about the past and about now.

Feast takes seconds to import, so it is imported where it is used.
"""

import shutil
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from crossmodal.atomic import atomic_path, atomic_write_bytes, scratch_folder
from crossmodal.lake import TableMissingError
from crossmodal.paths import StatePaths
from feature_repo.home_repo import (
    definitions_version,
    has_home_repo,
    store_settings,
    write_home_repo,
)
from feature_repo.online_file import OnlineStoreError

if TYPE_CHECKING:
    import pandas as pd
    from feast import FeatureStore, FeatureView, RepoConfig
    from feast.infra.offline_stores.offline_store import RetrievalJob

Features = str | Sequence[str]
"""The name of a feature service, or references such as `item_statistics:n_events`."""


class NotAppliedError(RuntimeError):
    """A store was asked for before its definitions were applied."""


class KeyTypeError(TypeError):
    """A join key is no text, as every id in the tables is."""

    def __init__(self, name: str, found: str) -> None:
        super().__init__(
            f"Key {name!r} must be text, as ids are in every table, and not {found}: "
            "turn its values into strings first."
        )


class MovedHomeError(NotAppliedError):
    """The definitions were applied where the home was before it was moved or copied."""


class RegistryDamagedError(NotAppliedError):
    """The registry's file cannot be read."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The feature registry {path} is damaged: delete it, and `crossmodal run` makes it "
            "again."
        )


def repo_config(
    paths: StatePaths, registry: Path | None = None, online_store: Path | None = None
) -> "RepoConfig":
    """Feast's configuration of a home; the two stores may be staged files instead of its own."""
    from feast import RepoConfig

    raw = store_settings(paths)
    if registry:
        raw["registry"]["path"] = str(registry.absolute())
    if online_store:
        raw["online_store"]["path"] = str(online_store.absolute())
    return RepoConfig(**raw, repo_path=paths.feast.absolute())


def open_store(paths: StatePaths) -> "FeatureStore":
    """The feature store of a home, as it is now.

    Its look-ups read the online file in force; its registry is the one that it opened, which Feast
    reads again after a while.

    Raises:
        NotAppliedError: no run has applied the definitions yet.
        RegistryDamagedError: the registry's file cannot be read.
    """
    from feast import FeatureStore

    if not paths.registry.is_file():
        raise NotAppliedError(
            f"No feature registry at {paths.registry}; run `crossmodal run` first."
        )
    require_readable_registry(paths.registry)
    return FeatureStore(config=repo_config(paths))


def require_readable_registry(registry: Path) -> None:
    """Reads the file of a registry, which Feast would take for an empty one where it is cut to 0.

    Raises:
        RegistryDamagedError: it cannot be read.
    """
    from feast.protos.feast.core.Registry_pb2 import Registry
    from google.protobuf.message import DecodeError

    try:
        if Registry.FromString(registry.read_bytes()).ByteSize():
            return
    except DecodeError as error:
        raise RegistryDamagedError(registry) from error
    raise RegistryDamagedError(registry)


def close_store(store: "FeatureStore") -> None:
    """Closes the online file: Feast never does, and a file in use cannot be renamed on Windows."""
    connection: sqlite3.Connection | None = getattr(store.provider.online_store, "_conn", None)
    if connection is not None:
        connection.close()


@contextmanager
def expected_warnings() -> Iterator[None]:
    """Leaves out the one warning that Feast's calls always give.

    Feast turns all deprecation warnings on, and ibis calls a DuckDB function by its old name.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="fetch_arrow_table", category=DeprecationWarning, module="ibis"
        )
        yield


@contextmanager
def writing(paths: StatePaths) -> Iterator[None]:
    """Holds the one lock under which registry and online store are replaced."""
    paths.feast.mkdir(parents=True, exist_ok=True)
    with FileLock(paths.feast / "write.lock"):
        yield


def apply_definitions(paths: StatePaths) -> bool:
    """Makes the registry say what the definitions say; returns whether it had to change.

    Feast writes its registry in place, where a kill leaves half of it. So the new registry is made
    next to the old one and takes its place by one rename; a mark written after it says which
    definitions were applied, so that unchanged ones cost no import of Feast.
    """
    with writing(paths):
        if is_applied(paths):
            return False
        with atomic_path(paths.registry) as staged:
            stage_registry(paths, staged)
            _apply(paths, staged)
        write_home_repo(paths)
        atomic_write_bytes(_mark(paths), _wanted_mark(paths))
        return True


def is_applied(paths: StatePaths) -> bool:
    """Whether the registry says what the definitions say, of the tables where they lie now."""
    mark = _mark(paths)
    there = paths.registry.is_file() and has_home_repo(paths) and mark.is_file()
    return there and mark.read_bytes() == _wanted_mark(paths)


def _mark(paths: StatePaths) -> Path:
    return paths.feast / "applied"


def _wanted_mark(paths: StatePaths) -> bytes:
    return f"{definitions_version()} {paths.lake.resolve()}".encode()


def stage_registry(paths: StatePaths, staged: Path) -> None:
    """Copies the registry in force to `staged`, or leaves no file there for Feast to make one.

    Raises:
        RegistryDamagedError: the registry in force cannot be read.
    """
    staged.unlink(missing_ok=True)
    if paths.registry.is_file():
        require_readable_registry(paths.registry)
        shutil.copyfile(paths.registry, staged)


def _apply(paths: StatePaths, registry: Path) -> None:
    from feast import FeatureStore
    from feast.infra.infra_object import Infra

    from feature_repo.catalogue import contents_at

    contents = contents_at(paths.lake.resolve())
    wanted: list[Any] = [*contents.projects, *contents.data_sources, *contents.entities]
    wanted += [*contents.feature_views, *contents.feature_services]
    names = {(type(each), each.name) for each in wanted}
    # Feast makes online tables as it applies. The file that readers have open is none of its
    # business: `materialize_fresh` makes every table of the file that takes its place.
    with TemporaryDirectory() as scratch:
        online_store = Path(scratch) / "online_store.db"
        store = FeatureStore(config=repo_config(paths, registry, online_store))
        registered: list[Any] = [*store.list_data_sources(), *store.list_entities()]
        registered += [*store.list_feature_views(), *store.list_feature_services()]
        gone = [each for each in registered if (type(each), each.name) not in names]
        store.apply(wanted, objects_to_delete=gone, partial=False)
        # Homes of earlier versions have their online tables in the registry, with absolute paths.
        store.registry.update_infra(Infra(), store.project)
        close_store(store)


def historical(paths: StatePaths, entity_frame: pl.DataFrame, features: Features) -> pl.DataFrame:
    """What was known of each key strictly before each instant: Feast's point-in-time join.

    Args:
        paths: the home.
        entity_frame: join keys (String) and `event_timestamp` Datetime("us", "UTC").
        features: a feature service's name or feature references.

    Returns:
        The entity frame's rows in their order with a column `view__feature` for each feature,
        null where nothing was known.

    Raises:
        TableMissingError: no run has written a table that the features come from.
        MovedHomeError: the definitions name the tables of another home.
        KeyTypeError: a key is no text.
    """
    job = _asked(paths, entity_frame.schema, entity_frame.to_pandas(), features)
    with expected_warnings():
        return pl.DataFrame(job.to_arrow())


@contextmanager
def historical_batches(
    paths: StatePaths, entities: Path, columns: Sequence[str], features: Features
) -> Iterator[pa.RecordBatchReader]:
    """Like `historical`, for more entity rows than fit in memory.

    Args:
        paths: the home.
        entities: Parquet file of the entity rows.
        columns: of them that are read: join keys (String), `event_timestamp`, and any others.
        features: a feature service's name or feature references.

    Yields:
        The rows in the file's order, as batches; the features' columns follow those of the file.
    """
    from feast.data_format import ParquetFormat
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    frame = pl.scan_parquet(entities).select(columns)
    names = ", ".join(f'"{column}"' for column in columns)
    quoted = str(entities.absolute()).replace("'", "''")
    query = f"SELECT {names} FROM read_parquet('{quoted}')"  # noqa: S608
    job = _asked(paths, frame.collect_schema(), query, features)
    with scratch_folder(paths.feast) as scratch, expected_warnings():
        answer = scratch.absolute() / "answer.parquet"
        job.persist(SavedDatasetFileStorage(str(answer), ParquetFormat()))
        with pq.ParquetFile(answer) as file:
            yield pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())


def _asked(
    paths: StatePaths, schema: pl.Schema, entity_df: "pd.DataFrame | str", features: Features
) -> "RetrievalJob":
    store = open_store(paths)
    for key in _join_keys(store).intersection(schema):
        if schema[key] != pl.String:
            raise KeyTypeError(key, schema[key].to_python().__name__)
    for name in view_names(store, features):
        require_table(paths, store.get_feature_view(name))
    with expected_warnings():
        return store.get_historical_features(
            entity_df=entity_df, features=_resolve(store, features), full_feature_names=True
        )


def online(
    paths: StatePaths,
    keys: Mapping[str, Sequence[str]],
    features: Features,
    store: "FeatureStore | None" = None,
) -> dict[str, list[Any]]:
    """The newest features of some keys from the online store.

    Args:
        paths: the home.
        keys: values of each join key, in parallel: `{"user_id": ["a", "b"]}`.
        features: a feature service's name or feature references.
        store: an open store to read from; by default the one in force is opened.

    Returns:
        Per column (join keys and `view__feature`) one value a key, None where nothing is known.

    Raises:
        OnlineStoreError: the online file is damaged or lacks a table.
        KeyTypeError: a key is no text.
    """
    store = store or open_store(paths)
    for key in _join_keys(store).intersection(keys):
        wrong = next((value for value in keys[key] if not isinstance(value, str)), "")
        if wrong != "":
            raise KeyTypeError(key, type(wrong).__name__)
    try:
        answer = store.get_online_features(
            features=_resolve(store, features),
            entity_rows={name: list(values) for name, values in keys.items()},
            full_feature_names=True,
        )
    except sqlite3.DatabaseError as error:
        raise OnlineStoreError(paths, error) from error
    values: dict[str, list[Any]] = answer.to_dict()
    return values


def _join_keys(store: "FeatureStore") -> set[str]:
    return {entity.join_key for entity in store.list_entities(allow_cache=True)}


def _resolve(store: "FeatureStore", features: Features) -> Any:
    return store.get_feature_service(features) if isinstance(features, str) else list(features)


def view_names(store: "FeatureStore", features: Features) -> list[str]:
    """The views that a service or some feature references read."""
    if isinstance(features, str):
        service = store.get_feature_service(features)
        return [projection.name for projection in service.feature_view_projections]
    return list(dict.fromkeys(reference.split(":")[0] for reference in features))


def require_table(paths: StatePaths, view: "FeatureView") -> None:
    """Raises where the table of a view is missing, or is another home's."""
    from feature_repo.catalogue import table_path

    table = table_path(view)
    if not table.resolve().is_relative_to(paths.lake.resolve()):
        raise MovedHomeError(
            f"Feature view {view.name!r} reads {table}, which is no table of the home "
            f"{paths.home}: run `crossmodal run` or `feast -c {paths.feast} apply` after a home "
            "was moved or copied."
        )
    if not table.is_file():
        raise TableMissingError(
            f"Feature view {view.name!r} reads {table}, which is missing; "
            "run `crossmodal run` first."
        )

"""The online store, written afresh next to the current one and swapped in by one rename."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from crossmodal.atomic import atomic_path
from crossmodal.paths import StatePaths
from feature_repo.store import (
    close_store,
    expected_warnings,
    open_store,
    repo_config,
    require_table,
    writing,
)

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView

_STAMP = "crossmodal_stamp"


def materialize_fresh(
    paths: StatePaths,
    views: Sequence[str] | None,
    end: datetime,
    start: datetime | None = None,
    keep_existing: bool = False,
    stamp: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """Writes the newest row of every key into a new online file, then renames it into place.

    A look-up that has begun ends on the old file; the next one reads the new. The registry, which
    records what was materialized, is swapped after the online file.

    Args:
        paths: the home, with definitions applied.
        views: names of online views; None means all of them.
        end: rows known up to this instant (UTC).
        start: rows known from this instant; by default what each view's TTL still allows at `end`.
        keep_existing: whether views that are not named keep the rows they have now, instead of
            none.
        stamp: what the named views are made from, to be asked for by `online_stamp`; with
            `keep_existing` it is added to the stamp in force.

    Returns:
        Keys in the online file per view, kept views included.

    Raises:
        TableMissingError: a named view's table is not in the lake.
        MovedHomeError: the definitions name the tables of another home.
        NotAppliedError: no run has applied the definitions yet.
    """
    with writing(paths), atomic_path(paths.registry) as registry:
        available = {view.name: view for view in open_store(paths).list_feature_views()}
        online = [name for name, view in available.items() if view.online]
        chosen = online if views is None else list(views)
        _require(paths, available, chosen)
        kept = [name for name in online if keep_existing and name not in chosen]
        _stage_registry(paths.registry, registry, keep=kept)
        marks = {**(online_stamp(paths) if keep_existing else {}), **(stamp or {})}
        with atomic_path(paths.online_store) as database:
            counts = _fill(paths, registry, database, chosen, kept, start, end)
            _write_stamp(database, marks)
            return counts


def online_stamp(paths: StatePaths) -> dict[str, str]:
    """What the online file in force was made from, found without importing Feast.

    Nothing is known of what a damaged file was made from.
    """
    if not paths.online_store.is_file():
        return {}
    address = f"{paths.online_store.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        try:
            known = connection.execute(f"PRAGMA table_info({_STAMP})").fetchall()
            return dict(connection.execute(f"SELECT * FROM {_STAMP}")) if known else {}  # noqa: S608
        except sqlite3.DatabaseError:
            return {}


def _write_stamp(database: Path, stamp: Mapping[str, str]) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"CREATE TABLE {_STAMP} (name TEXT PRIMARY KEY, version TEXT)")
        connection.executemany(
            f"INSERT INTO {_STAMP} VALUES (?, ?)",  # noqa: S608
            sorted(stamp.items()),
        )
        connection.commit()


def _require(paths: StatePaths, available: "dict[str, FeatureView]", chosen: Sequence[str]) -> None:
    for name in chosen:
        if name not in available or not available[name].online:
            raise ValueError(f"{name!r} is no online feature view; there are {sorted(available)}.")
        require_table(paths, available[name])


def _stage_registry(current: Path, staged: Path, keep: Sequence[str]) -> None:
    """Copies the registry without the record of what the new online file will not inherit."""
    from feast.protos.feast.core.Registry_pb2 import Registry

    proto = Registry()
    proto.ParseFromString(current.read_bytes())
    for view in proto.feature_views:
        if view.spec.name not in keep:
            del view.meta.materialization_intervals[:]
    staged.write_bytes(proto.SerializeToString())


def _fill(
    paths: StatePaths,
    registry: Path,
    database: Path,
    chosen: Sequence[str],
    kept: Sequence[str],
    start: datetime | None,
    end: datetime,
) -> dict[str, int]:
    from feast import FeatureStore

    store = FeatureStore(config=repo_config(paths, registry=registry, online_store=database))
    views = {view.name: view for view in store.list_feature_views() if view.online}
    _hurry(_connection(store))
    store.provider.online_store.update(
        config=store.config,
        tables_to_delete=[],
        tables_to_keep=list(views.values()),
        entities_to_delete=[],
        entities_to_keep=[],
        partial=False,
    )
    try:
        _drop_indexes(_connection(store))
        _copy_tables(paths.online_store, database, [_table(store, views[name]) for name in kept])
        for name in chosen:
            view = views[name]
            _materialize(store, view, start or _since(view, end), end)
        return _count(database, {name: _table(store, view) for name, view in views.items()})
    finally:
        close_store(store)


def _since(view: "FeatureView", end: datetime) -> datetime:
    """The first instant whose rows still hold at `end`: for most views the first there is."""
    first = datetime.min.replace(tzinfo=UTC)
    return first if not view.ttl or view.ttl > end - first else end - view.ttl


def _connection(store: "FeatureStore") -> sqlite3.Connection:
    connection: sqlite3.Connection = getattr(store.provider.online_store, "_get_conn")(  # noqa: B009
        store.config
    )
    return connection


def _hurry(connection: sqlite3.Connection) -> None:
    """A file that nobody sees before it is complete and synced needs no journal."""
    journal = ("journal_mode = OFF", "synchronous = OFF")
    for pragma in (*journal, "page_size = 16384", "cache_size = -65536"):
        connection.execute(f"PRAGMA {pragma}")


def _drop_indexes(connection: sqlite3.Connection) -> None:
    """Drops Feast's indexes of entity keys, as the primary keys begin with the same column."""
    made = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    for (name,) in connection.execute(made).fetchall():
        connection.execute(f'DROP INDEX "{name}"')


def _materialize(
    store: "FeatureStore", view: "FeatureView", start: datetime, end: datetime
) -> None:
    """One view by Feast's provider: `FeatureStore.materialize` does the same and prints it."""
    with expected_warnings():
        store.provider.materialize_single_feature_view(
            config=store.config,
            feature_view=view,
            start_date=start,
            end_date=end,
            registry=store.registry,
            project=store.project,
            tqdm_builder=lambda length: None,
        )
    # Feast reads the registry again for the next view: what is not yet in the file is forgotten.
    store.registry.apply_materialization(view, store.project, start, end, commit=True)


def _table(store: "FeatureStore", view: "FeatureView") -> str:
    from feast.infra.online_stores.helpers import compute_table_id

    return str(compute_table_id(store.project, view))


def _copy_tables(source: Path, target: Path, tables: Sequence[str]) -> None:
    if not tables or not source.is_file():
        return
    with closing(sqlite3.connect(target)) as connection:
        connection.execute("ATTACH DATABASE ? AS previous", (str(source),))
        present = {
            name
            for (name,) in connection.execute(
                "SELECT name FROM previous.sqlite_master WHERE type = 'table'"
            )
        }
        for table in sorted(present.intersection(tables)):
            connection.execute(f'INSERT INTO main."{table}" SELECT * FROM previous."{table}"')  # noqa: S608
        connection.commit()


def _count(database: Path, tables: dict[str, str]) -> dict[str, int]:
    with closing(sqlite3.connect(database)) as connection:
        count = 'SELECT count(DISTINCT entity_key) FROM "{}"'
        return {
            name: connection.execute(count.format(table)).fetchone()[0]
            for name, table in tables.items()
        }

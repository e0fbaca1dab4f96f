"""Dagster's databases, opened once for a process and not once for each event."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage, _event_logs_directory
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

_MOST_OPEN = 2
"""The index of all runs, and the run that works."""


class KeptOpenStorage(DagsterSqliteStorage):
    """Dagster's own storage; only its events are written through connections that stay open.

    A run writes hundreds of events. To open and close a database for each of them takes about a
    third of the work of a run that makes nothing.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = KeptOpenEvents(_event_logs_directory(base_dir))

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "KeptOpenStorage":
        """The storage in the folder `base_dir`."""
        return cls.from_local(inst_data=inst_data, **config_value)


class KeptOpenEvents(SqliteEventLogStorage):
    """The events of all runs: the databases used last stay open until the instance is disposed."""

    def __init__(self, base_dir: str) -> None:
        self._open: dict[str, Engine] = {}
        super().__init__(base_dir)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        if shard not in self._initialized_dbs:
            with super()._connect(shard):
                pass
        with self._db_lock, self._opened(shard).connect() as connection, connection.begin():
            yield connection

    def _opened(self, shard: str) -> Engine:
        engine = self._open.pop(shard, None) or create_engine(
            self.conn_string_for_shard(shard),
            poolclass=StaticPool,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )
        self._open[shard] = engine
        while len(self._open) > _MOST_OPEN:
            self._open.pop(next(iter(self._open))).dispose()
        return engine

    def wipe(self) -> None:
        """Deletes all events."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Closes what is open."""
        super().dispose()
        self._close()

    def _close(self) -> None:
        with self._db_lock:
            while self._open:
                self._open.popitem()[1].dispose()

"""Feast's online features for apps that have a model of their own."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmodal.paths import StatePaths
from feature_repo.online_file import OnlineStoreError
from feature_repo.store import NotAppliedError, close_store, online, open_store

if TYPE_CHECKING:
    from feast import FeatureStore


class FeatureLookUpError(RuntimeError):
    """Feast's own failure while it looked something up; the message says what."""


class OnlineFeatures:
    """Look-ups in the online store in force; a store that a run has replaced is opened again.

    Args:
        paths: of the home.
    """

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths
        self._lock = threading.Lock()
        self._opened: FeatureStore | None = None
        self._of: tuple[int, ...] = ()
        self._services: Mapping[str, tuple[str, ...]] = {}

    def ready(self) -> bool:
        """Whether there is an online store to read from."""
        return self._paths.online_store.is_file() and self._paths.registry.is_file()

    def made_at(self) -> float:
        """When the online store was filled last, in seconds since 1970; 0 where there is none."""
        # The registry's time: a push writes to the online file, which is not filled by that.
        path = self._paths.registry
        return path.stat().st_mtime if path.is_file() else 0.0

    def services(self) -> Mapping[str, tuple[str, ...]]:
        """The join keys of each feature service, by its name."""
        with self._lock:
            self._store()
            return self._services

    def look_up(self, service: str, keys: Mapping[str, Sequence[str]]) -> dict[str, list[Any]]:
        """What Feast answers: a value per key in every column, None where nothing is known.

        Args:
            service: name of a feature service.
            keys: values of each of its join keys, in parallel.

        Raises:
            NotAppliedError: no run has made the stores yet.
            FeatureLookUpError: Feast cannot answer.
        """
        # Feast takes seconds to import, which a service without stores need not wait for.
        from feast.errors import FeastError

        with self._lock:
            try:
                return online(self._paths, keys, service, self._store())
            except (FeastError, OnlineStoreError) as error:
                raise FeatureLookUpError(f"Feast cannot look up {service}. {error}") from error

    def close(self) -> None:
        """Lets go of the open store."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        if self._opened is not None:
            close_store(self._opened)
        self._opened = None

    def _store(self) -> "FeatureStore":
        """The open store; another once a run has replaced its files, whose services may differ."""
        if not self.ready():
            raise NotAppliedError("There is no online store yet: run `crossmodal run` first.")
        # Not its time: whoever pushes writes to the file, and readers see that.
        now = (self._paths.online_store.stat().st_ino, *_identity(self._paths.registry))
        if self._opened is None or now != self._of:
            self._let_go()
            self._opened, self._of = open_store(self._paths), now
            self._services = {
                service.name: tuple(sorted(_join_keys(self._opened, service)))
                for service in self._opened.list_feature_services()
            }
        return self._opened


def _identity(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_ino, facts.st_mtime_ns


def _join_keys(store: "FeatureStore", service: Any) -> set[str]:
    views = [store.get_feature_view(part.name) for part in service.feature_view_projections]
    return {column.name for view in views for column in view.entity_columns}

"""Feast's provider of a home: events that are pushed go the way of those that the service takes."""

from pathlib import Path
from typing import Any

import pandas as pd
from feast import FeatureView, PushSource, RepoConfig
from feast.data_source import DataSource
from feast.errors import FeastError
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.passthrough_provider import PassthroughProvider

from crossmodal.paths import StatePaths
from feature_repo.data_sources import events_source, reported_events_source
from feature_repo.online_file import OnlineStoreError
from feature_repo.pushed_events import EventsNotWrittenError, EventsRefusedError, take_events


class PushError(FeastError):
    """A push that was refused or failed; Feast's server answers with the sentence.

    Args:
        reason: the sentence.
        again: whether the same push may do later.
    """

    def __init__(self, reason: str, *, again: bool = False) -> None:
        super().__init__(reason)
        self._again = again

    def http_status_code(self) -> int:
        """503 where the same push may do later, else 422."""
        return 503 if self._again else 422


class HomeProvider(PassthroughProvider):
    """Feast's own provider but for two things.

    What is pushed to the source `events` is appended to the event log of the home, and the features
    made of it are written to the online store. And a store that outlives a run reads the online
    file in force: Feast's would go on reading the one that the run has replaced.
    """

    def __init__(self, config: RepoConfig) -> None:
        super().__init__(config)
        self._opened: int | None = None

    @property
    def online_store(self) -> OnlineStore:  # type: ignore[override]
        """Feast's SQLite store, on the file in force."""
        store: OnlineStore = super().online_store
        path = _online_path(self.repo_config)
        if path.is_file():
            current = path.stat().st_ino
            if self._opened not in (None, current):
                # Who reads just now goes on with the old file; the last of them closes it.
                setattr(store, "_conn", None)  # noqa: B010
            self._opened = current
        return store

    def ingest_df(
        self, feature_view: Any, df: pd.DataFrame, field_mapping: dict[str, str] | None = None
    ) -> None:
        """Takes events that are pushed; writes features, of any other view, to the online store.

        Raises:
            PushError: an event cannot be used or the log cannot be written, and none was taken; or
                their features could not be written.
        """
        if not _takes_events(feature_view):
            super().ingest_df(feature_view, df, field_mapping)
            return
        try:
            take_events(_home(self.repo_config), df)
        except EventsRefusedError as error:
            raise PushError(str(error)) from error
        except EventsNotWrittenError as error:
            raise PushError(str(error), again=True) from error
        except OnlineStoreError as error:
            reason = f"The events are kept; what they change is not: {error}"
            raise PushError(reason, again=True) from error

    def get_table_column_names_and_types_from_data_source(
        self, config: RepoConfig, data_source: DataSource
    ) -> Any:
        """The columns of a table, which Feast asks for before it writes to it.

        Raises:
            PushError: events are never written to their table but by a run.
        """
        if data_source.name == reported_events_source.name:
            raise PushError(
                "Push events with `to=PushMode.ONLINE`, the default: the next run takes them from "
                "the log into the offline store. What was pushed with ONLINE_AND_OFFLINE is in the "
                "log already, and need not be sent again."
            )
        return super().get_table_column_names_and_types_from_data_source(config, data_source)


def _takes_events(view: Any) -> bool:
    source = view.stream_source if isinstance(view, FeatureView) else None
    return isinstance(source, PushSource) and source.name == events_source.name


def _online_path(config: RepoConfig) -> Path:
    path = Path(config.online_store.path)
    return path if config.repo_path is None else config.repo_path / path


def _home(config: RepoConfig) -> StatePaths:
    online = _online_path(config).resolve()
    paths = StatePaths(online.parent.parent)
    if paths.online_store != online:
        raise PushError(f"Events are pushed to the store of a home, and {online} is none.")
    return paths

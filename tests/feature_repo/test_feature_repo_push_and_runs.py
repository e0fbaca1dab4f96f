"""Pushed events between runs: ahead of the tables, never lost, and gone where they were undone."""

import polars as pl
import pytest
from feast import FeatureStore
from feature_lake import NOW  # type: ignore[import-not-found]
from push_home import ADA, NEWCOMER, event, push, read  # type: ignore[import-not-found]
from small_platform import small_settings

from assets.features import write_online
from crossmodal.event_log import EventLog, log_end
from crossmodal.lake import Lake
from crossmodal.log_position import LogPosition
from crossmodal.paths import StatePaths
from crossmodal.published_events import record_published, scale_summary
from crossmodal.value_scale import ValueScale
from crossmodal.workspace import Workspace
from feature_repo.catalogue import ONLINE_VIEWS
from feature_repo.consistency import consistency
from feature_repo.live_features import undone_since

pytestmark = pytest.mark.slow


def test_a_store_that_outlives_a_run_reads_and_writes_the_new_file(
    paths: StatePaths, app: FeatureStore
) -> None:
    push(app, event(0))
    pushed = read(app)
    workspace = Workspace(small_settings(paths.home))
    write_online(workspace, "online_features", list(ONLINE_VIEWS), {})
    # The run took the place of the file, without the event, which is newer than its tables.
    assert read(app) == pushed
    push(app, event(1))
    assert read(app)["user_n_events"] == pushed["user_n_events"] + 1


def test_keys_that_are_ahead_of_the_tables_are_no_disagreement(
    paths: StatePaths, app: FeatureStore
) -> None:
    assert consistency(paths, ONLINE_VIEWS, as_of=NOW).agrees
    push(app, event())
    report = consistency(paths, ONLINE_VIEWS, as_of=NOW)
    assert report.agrees, report.disagreements
    assert report.keys["item_id"] == 39


def test_a_push_that_was_undone_is_no_disagreement_and_leaves_with_the_next_filling(
    paths: StatePaths, app: FeatureStore
) -> None:
    before = read(app)
    push(app, event())
    assert undone_since(paths).is_empty()
    log = EventLog(paths.event_log)
    assert log.undo("e0").result() == 1
    log.close()
    assert undone_since(paths).rows() == [(ADA, "i3")]
    report = consistency(paths, ONLINE_VIEWS, as_of=NOW)
    assert report.agrees, report.disagreements
    assert report.keys == {"item_id": 39, "user_id": 60}
    # A run has read the log up to here, and found nothing in it for the tables.
    lake = Lake(paths.lake)
    nothing = pl.DataFrame({"event_id": ["e0"]})
    lake.write("reported_events", nothing, {}, **log_end(paths.event_log).summary())
    write_online(Workspace(small_settings(paths.home)), "online_features", list(ONLINE_VIEWS), {})
    assert read(app) == before and undone_since(paths).is_empty()


def test_what_was_pushed_to_a_log_that_took_the_place_of_another_counts(
    paths: StatePaths, app: FeatureStore
) -> None:
    before = read(app)
    recorded = LogPosition(7, "of the former log").summary()
    Lake(paths.lake).write("online_features", pl.DataFrame({"view": ["none"]}), {}, **recorded)
    push(app, event())
    assert read(app)["user_n_events"] == before["user_n_events"] + 1


def test_a_run_that_stopped_before_it_made_every_table_leaves_none_uncounted(
    paths: StatePaths, app: FeatureStore
) -> None:
    push(app, event())
    pushed, lake = read(app), Lake(paths.lake)
    older = {"input:interactions": "of the run before"}
    lake.write("user_statistics", lake.read("user_statistics"), older)
    lake.write("reported_events", pl.DataFrame(), {}, **log_end(paths.event_log).summary())
    write_online(Workspace(small_settings(paths.home)), "online_features", list(ONLINE_VIEWS), {})
    assert read(app) == pushed


def test_what_has_no_value_gets_the_one_that_the_next_run_gives_it(
    paths: StatePaths, app: FeatureStore
) -> None:
    lake = Lake(paths.lake)
    own = {**LogPosition().summary(), **scale_summary(ValueScale(0.25, 0.75))}
    lake.write("staged_interactions", pl.DataFrame({"event_id": ["none"]}), {}, **own)
    record_published(lake)
    push(app, event(0, user=NEWCOMER, event_type="like", value=None))
    assert read(app, NEWCOMER)["user_value_mean"] == 0.75
    push(app, event(1, user=NEWCOMER, event_type="click", value=None))
    assert read(app, NEWCOMER)["user_value_mean"] == 0.5

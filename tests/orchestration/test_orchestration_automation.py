"""What the daemon makes by itself when the content of an input has changed."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
from small_platform import small_settings

from crossmodal.workspace import Workspace
from orchestration.definitions import build_definitions
from orchestration.stages import pipeline_assets


class Daemon:
    """Looks at the assets of a home in which everything was made once."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        workspace = Workspace(small_settings(home))
        self._instance, self._definitions = instance, build_definitions(workspace)
        self._cursor = None
        for asset in pipeline_assets():
            for key in asset.keys if asset.is_materializable else ():
                self.made(key.to_user_string(), "first")
        assert self.asked_for() == set(), "what is there when it begins is not made again"

    def made(self, asset: str, version: str, by: dg.DagsterRun | None = None) -> None:
        event = dg.AssetMaterialization(asset, tags={DATA_VERSION_TAG: version})
        if by is None:
            self._instance.report_runless_asset_event(event)
            return
        kind, data = DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(event)
        made = DagsterEvent(kind.value, by.job_name, event_specific_data=data)
        self._instance.report_dagster_event(made, by.run_id)

    def started(self, job: str) -> dg.DagsterRun:
        """A run of a job that a schedule or a sensor has asked for."""
        wanted = self._definitions.resolve_job_def(job)
        keys = set(wanted.asset_layer.executable_asset_keys)
        status = dg.DagsterRunStatus.STARTED
        return self._instance.create_run_for_job(wanted, asset_selection=keys, status=status)

    def ended(self, run: dg.DagsterRun) -> None:
        event = DagsterEvent(DagsterEventType.RUN_SUCCESS.value, run.job_name)
        self._instance.report_dagster_event(event, run.run_id)

    def asked_for(self) -> set[str]:
        done = dg.evaluate_automation_conditions(
            self._definitions, self._instance, cursor=self._cursor
        )
        self._cursor = done.cursor
        selection = dg.AssetSelection.groups("embeddings", "recommendations")
        keys = selection.resolve(self._definitions.resolve_asset_graph())
        return {key.to_user_string() for key in keys if done.get_num_requested(key)}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(tmp_path, instance)


def test_embeddings_follow_the_media(daemon: Daemon) -> None:
    daemon.made("raw_media", "first")
    assert daemon.asked_for() == set(), "a run has kept it"
    daemon.made("raw_media", "second")
    asked = daemon.asked_for()
    assert {"media", "image_features", "image_alignment", "image_embeddings"} <= asked
    assert not asked & {"text_features", "recommendations"}
    assert daemon.asked_for() == set(), "once for each change"


def test_lists_follow_what_answers_and_the_features_but_not_every_event(daemon: Daemon) -> None:
    lists = {"recommendations", "user_recommendations", "online_recommendations"}
    daemon.made("interactions", "second")
    assert daemon.asked_for() == set()
    daemon.made("online_features", "second")
    assert daemon.asked_for() == lists
    for made in sorted(lists):
        daemon.made(made, "second")
    assert daemon.asked_for() == set()
    daemon.made("serving_model", "second")
    assert daemon.asked_for() == lists


def test_a_night_is_the_only_run_for_what_it_makes(daemon: Daemon) -> None:
    night = daemon.started("nightly")
    daemon.made("raw_media", "second")
    assert daemon.asked_for() == set(), "the night takes the change"
    daemon.made("raw_media", "third", by=night)
    assert daemon.asked_for() == set()
    for made in ("media", "image_features", "image_alignment", "image_embeddings"):
        daemon.made(made, "second", by=night)
    for made in ("online_features", "serving_model", "recommendations", "online_recommendations"):
        daemon.made(made, "second", by=night)
    daemon.ended(night)
    assert daemon.asked_for() == set(), "nothing is left to follow"

    hourly = daemon.started("refresh")
    daemon.made("raw_media", "fourth", by=hourly)
    daemon.made("online_features", "third", by=hourly)
    daemon.ended(hourly)
    asked = daemon.asked_for()
    assert {"media", "image_embeddings", "recommendations"} <= asked
    assert daemon.asked_for() == set()


def test_no_model_is_fitted_because_an_input_has_changed() -> None:
    following = {
        key.to_user_string(): asset.group_names_by_key[key]
        for asset in pipeline_assets()
        for key in asset.automation_conditions_by_key
    }
    assert set(following.values()) == {"embeddings", "recommendations"}
    assert {"image_embeddings", "recommendations", "online_recommendations"} <= set(following)

"""A Ray cluster makes what one machine makes, even where it loses a node on the way."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from assets.encoding import files_to_features, of_one_root, usable_files
from assets.engines import Compute, Progress, Work, engine_of
from assets.engines.choice import EngineMissingError
from assets.media_places import MediaPlaces
from assets.recommendations import known_events, lists_of
from assets.registry import open_registry
from crossmodal.modalities import modality_of
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace

if TYPE_CHECKING:
    from ray._private.node import Node
    from ray.cluster_utils import Cluster

PROJECT = Path(__file__).parents[2]
FILES_PER_PART = 4


def test_ray_that_is_not_installed_is_named_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("assets.engines.choice.find_spec", lambda name: None)
    with pytest.raises(EngineMissingError, match=r"pip install \.\[ray\]"):
        engine_of(Settings(engine="ray"))


@dataclass(frozen=True)
class Dying:
    """Work whose node dies: it stops in its second part there until it is killed.

    Attributes:
        work: what is done.
        node: the id of the node that dies.
        marks: a folder that gets one file per part that was begun.
    """

    work: Work
    node: str
    marks: Path

    def start(self, progress: Progress) -> Compute:
        import ray

        compute, here = self.work.start(progress), ray.get_runtime_context().get_node_id()
        begun = 0

        def marked(rows: pl.DataFrame) -> pl.DataFrame:
            nonlocal begun
            begun += 1
            (self.marks / f"{here}-{begun}").touch()
            if here == self.node and begun == 2:
                threading.Event().wait()
            return compute(rows)

        return marked


@pytest.fixture(scope="module")
def two_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Cluster"]:
    """A cluster of two nodes with a core each; what is started here ends here."""
    pytest.importorskip("ray", reason="Ray is not installed: run `make ray`")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        # A lost node is noticed in a second instead of fifteen.
        for name in ("initial_delay_ms", "period_ms", "timeout_ms"):
            patch.setenv(f"RAY_health_check_{name}", "500")
        # The nodes import the project from here, wherever the tests are started.
        patch.setenv("PYTHONPATH", str(PROJECT))
        import ray
        from ray.cluster_utils import Cluster

        # The nodes' processes cannot import a module of tests.
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        size = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
        cluster = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
        try:
            cluster.add_node(**size)
            cluster.wait_for_nodes()
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


@pytest.mark.slow
def test_lists_are_the_same_on_two_nodes(
    two_nodes: "Cluster", finished: tuple[Settings, object]
) -> None:
    home = Workspace(finished[0])
    registry = open_registry(home)
    version = home.lake.read("serving_model")["version"].item()
    log = known_events(home.lake, registry.item_ids(version), finished[0].seed)
    here, there = (
        pl.concat(lists_of(Workspace(settings), registry.load(version), log))
        for settings in (finished[0], on(two_nodes, finished[0]))
    )
    assert here["user_id"].n_unique() > 50
    assert there.equals(here)


# Last, since it leaves one node.
@pytest.mark.slow
def test_vectors_are_the_same_where_a_node_dies_in_the_middle_of_its_work(
    two_nodes: "Cluster", finished: tuple[Settings, object], tmp_path: Path
) -> None:
    home = Workspace(finished[0])
    files = usable_files(home.lake, "image").unique("content_sha256", maintain_order=True)
    frames = list(of_one_root(MediaPlaces(home), files))
    work = replace(files_to_features(home, modality_of("image"), "image"), batch_size=1)
    (victim,) = two_nodes.worker_nodes
    killer = threading.Thread(target=kill_when_begun, args=(two_nodes, victim, tmp_path))
    killer.start()
    cluster = engine_of(on(two_nodes, finished[0]))
    dying = Dying(work, victim.node_id, tmp_path)
    seen: list[int] = []
    there = pl.concat(cluster.map_frames(dying, frames, FILES_PER_PART, seen.append))
    killer.join()
    here = pl.concat(engine_of(finished[0]).map_frames(work, frames, FILES_PER_PART, seen.append))
    assert there.equals(here), "no row is lost, and none is there twice"
    assert max(seen) == files.height


def on(cluster: "Cluster", settings: Settings) -> Settings:
    return settings.model_copy(update={"engine": "ray", "ray_address": cluster.address})


def kill_when_begun(cluster: "Cluster", victim: "Node", marks: Path) -> None:
    begun = marks / f"{victim.node_id}-2"
    while not begun.exists():
        threading.Event().wait(0.05)
    cluster.remove_node(victim, allow_graceful=False)

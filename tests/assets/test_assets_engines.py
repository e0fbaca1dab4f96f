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
from assets.recommendations import known_events, list_writer, user_blocks
from assets.registry import open_registry
from crossmodal.modalities import modality_of
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace

if TYPE_CHECKING:
    from ray._private.node import Node
    from ray.cluster_utils import Cluster

PROJECT = Path(__file__).parents[2]
BATCH = 16


def test_ray_that_is_not_installed_is_named_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("assets.engines.choice.find_spec", lambda name: None)
    with pytest.raises(EngineMissingError, match=r"pip install \.\[ray\]"):
        engine_of(Settings(engine="ray"))


@dataclass(frozen=True)
class Dying:
    """Work whose node dies: it stops in its second part there until it is killed.

    Other nodes wait for that moment, so that they do not have done everything before.

    Attributes:
        work: what is done.
        node: the id of the node that dies.
        begun: a file that is made when its second part has begun.
    """

    work: Work
    node: str
    begun: Path

    def start(self, progress: Progress) -> Compute:
        import ray

        compute, here = self.work.start(progress), ray.get_runtime_context().get_node_id()
        parts = 0

        def dying(rows: pl.DataFrame) -> pl.DataFrame:
            nonlocal parts
            parts += 1
            if here != self.node:
                wait_for(self.begun)
            elif parts == 2:
                self.begun.touch()
                threading.Event().wait()
            return compute(rows)

        return dying


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


@pytest.mark.faults
def test_vectors_are_the_same_on_two_nodes(
    two_nodes: "Cluster", finished: tuple[Settings, object]
) -> None:
    home = Workspace(finished[0])
    files = usable_files(home.lake, "image").unique("content_sha256", maintain_order=True)
    frames = list(of_one_root(MediaPlaces(home), files))
    work = replace(files_to_features(home, modality_of("image"), "image"), batch_size=BATCH)
    done: list[int] = []
    here, there = (
        pl.concat(engine_of(settings).map_frames(work, frames, 2 * BATCH, done.append))
        for settings in (finished[0], on(two_nodes, finished[0]))
    )
    assert here.drop_nulls("features").height > 50
    assert there.equals(here)
    assert max(done) == done[-1] == files.height


# Last, since it leaves one node.
@pytest.mark.faults
def test_lists_are_the_same_where_a_node_dies_in_the_middle_of_its_work(
    two_nodes: "Cluster", finished: tuple[Settings, object], tmp_path: Path
) -> None:
    home = Workspace(finished[0])
    registry = open_registry(home)
    version = home.lake.read("serving_model")["version"].item()
    log = known_events(home.lake, registry.item_ids(version), finished[0].seed)
    blocks = [part for block in user_blocks(log) for part in block.iter_slices(4)]
    work = list_writer(home, registry.load(version), log)
    (victim,) = two_nodes.worker_nodes
    begun = tmp_path / "begun"
    killer = threading.Thread(target=kill_at, args=(begun, two_nodes, victim), daemon=True)
    killer.start()
    cluster = engine_of(on(two_nodes, finished[0]))
    dying = Dying(work, victim.node_id, begun)
    there = list(cluster.map_frames(dying, blocks, 4, lambda done: None))
    killer.join()
    here = list(engine_of(finished[0]).map_frames(work, blocks, 4, lambda done: None))
    assert len(there) == len(blocks)
    assert pl.concat(there).equals(pl.concat(here)), "nothing is lost, and nothing is there twice"


def on(cluster: "Cluster", settings: Settings) -> Settings:
    return settings.model_copy(update={"engine": "ray", "ray_address": cluster.address})


def kill_at(begun: Path, cluster: "Cluster", victim: "Node") -> None:
    wait_for(begun)
    cluster.remove_node(victim, allow_graceful=False)


def wait_for(file: Path) -> None:
    while not file.exists():
        threading.Event().wait(0.05)

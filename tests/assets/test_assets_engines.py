"""A Ray cluster makes what one machine makes, even where it loses a node on the way."""

import logging
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import polars as pl
import pytest
from walking_users import random_walks

from assets.encoding import files_to_features, of_one_root, usable_files
from assets.engines import Compute, Progress, Work, engine_of
from assets.media_places import MediaPlaces
from assets.recommendations import known_events, list_writer, user_blocks
from assets.registry import open_registry
from assets.training import fitted_versions
from crossmodal.modalities import modality_of
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.baselines import ALS, Popularity
from models.data import Dataset
from models.parallel import ONE_PROCESS
from models.protocol import NothingToLearnError
from orchestration.run import run_pipeline

if TYPE_CHECKING:
    from ray._private.node import Node
    from ray.cluster_utils import Cluster

PROJECT = Path(__file__).parents[2]
BATCH = 16
NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


class NoWeightsError(RuntimeError):
    """What work ends with."""


@dataclass(frozen=True)
class Failing:
    """Work that fails.

    Attributes:
        at: `start`, or `compute` for its first part.
    """

    at: str

    def start(self, progress: Progress) -> Compute:
        if self.at == "start":
            raise NoWeightsError("there are no weights")

        def compute(rows: pl.DataFrame) -> pl.DataFrame:
            raise NoWeightsError("there are no weights")

        return compute


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
        cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        try:
            cluster.add_node(**NODE)
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


@pytest.mark.faults
@pytest.mark.parametrize("at", ["start", "compute"])
def test_an_error_is_what_the_work_raised(two_nodes: "Cluster", tmp_path: Path, at: str) -> None:
    engine = engine_of(on(two_nodes, Settings(home=tmp_path)))
    rows = pl.DataFrame({"number": range(20)})
    with pytest.raises(NoWeightsError, match=r"^there are no weights") as found:
        list(engine.map_frames(Failing(at), [rows], 4, lambda done: None))
    assert found.value.__notes__ == [f"This happened on the node {socket.gethostname()}."]


@pytest.mark.faults
def test_work_that_nobody_takes_any_more_leaves_the_cluster_to_other_work(
    two_nodes: "Cluster", tmp_path: Path
) -> None:
    engine = engine_of(on(two_nodes, Settings(home=tmp_path)))
    frames = [pl.DataFrame({"number": range(start, start + 10)}) for start in range(0, 100, 10)]
    left = engine.map_frames(Same(), frames, 1, lambda done: None)
    assert next(left).equals(frames[0])
    left.close()
    assert list(engine.map_frames(Same(), frames[:2], 4, lambda done: None))[1].equals(frames[1])


@dataclass(frozen=True)
class Same:
    """Work that changes nothing."""

    def start(self, progress: Progress) -> Compute:
        return lambda rows: rows


@pytest.mark.faults
def test_the_hybrid_is_the_same_where_its_fits_are_tasks(
    two_nodes: "Cluster", copied: Settings
) -> None:
    home = Workspace(copied)
    before = versions(home)
    for version in before:
        shutil.rmtree(home.paths.models / version)
    summary = run_pipeline(on(two_nodes, copied), only="model_hmdf")
    assert summary.made == ("model_hmdf",)
    assert versions(home) == before
    assert len(before) > 1


@pytest.mark.faults
def test_a_fit_that_fails_is_named_and_ends_the_others(
    two_nodes: "Cluster", tmp_path: Path
) -> None:
    engine = engine_of(on(two_nodes, Settings(home=tmp_path)))
    fits = {"the fit of a": ("a",), "the fit of b": ("b",), "the fit of c": ("c",)}
    answers = engine.fit(fails_at_b, (), fits)
    assert next(answers) == "a"
    with pytest.raises(NothingToLearnError, match=r"^too few events") as found:
        next(answers)
    assert found.value.__notes__ == ["This happened in the fit of b."]
    assert list(answers) == []


def fails_at_b(name: str) -> str:
    if name == "b":
        raise NothingToLearnError("too few events")
    while name == "c":
        threading.Event().wait(0.05)
    return name


@pytest.mark.faults
def test_models_fitted_by_tasks_are_those_fitted_here(
    two_nodes: "Cluster", tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = random_walks(n_users=40, n_items=30, length=12, held=2)
    executor = engine_of(on(two_nodes, Settings(home=tmp_path))).executor()
    assert executor is not None
    builders = {"popularity": NoisyPopularity, "als": ALS}
    there, here = executor.fit_all(builders, dataset), ONE_PROCESS.fit_all(builders, dataset)
    assert list(there) == list(builders)
    users = dataset.histories()
    for name, model in here.items():
        np.testing.assert_array_equal(there[name].score(users), model.score(users))
    assert [record.getMessage() for record in caplog.records] == 2 * ["30 items are few"]


class NoisyPopularity(Popularity):
    """A model whose fit logs a warning."""

    def fit(self, dataset: Dataset) -> Self:
        logging.getLogger("models").warning("%d items are few", dataset.n_items)
        return super().fit(dataset)


@pytest.mark.faults
@pytest.mark.parametrize("dies", ["during the fit", "after the fit"])
def test_fits_are_done_again_where_a_node_dies(
    two_nodes: "Cluster", tmp_path: Path, dies: str
) -> None:
    victim = two_nodes.add_node(**NODE)
    two_nodes.wait_for_nodes()
    begun, seeds = tmp_path / "begun", range(6)
    engine = engine_of(on(two_nodes, Settings(home=tmp_path)))
    fits = {f"fit {seed}": (seed,) for seed in seeds}
    answers = engine.fit(drawn, (victim.node_id, begun, dies), fits)
    kill_at(begun, two_nodes, victim)
    np.testing.assert_array_equal(list(answers), [numbers(seed) for seed in seeds])


def drawn(victim: str, begun: Path, dies: str, seed: int) -> np.ndarray:
    """What a fit stands for here; large enough that its answer lies on its node."""
    import ray

    if ray.get_runtime_context().get_node_id() != victim:
        wait_for(begun)
    elif dies == "during the fit":
        begun.touch()
        threading.Event().wait()
    elif any(begun.parent.glob("done-*")):
        # The answer of the fit before this one is stored, and nobody has asked for it yet.
        begun.touch()
    else:
        (begun.parent / f"done-{seed}").touch()
    return numbers(seed)


def numbers(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(2**18)


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


def versions(home: Workspace) -> dict[str, str]:
    """The hash of the weights of each fitted hybrid."""
    registry = open_registry(home)
    fitted = fitted_versions(home.lake, "hmdf").values()
    return {version: registry.version(version).weights_sha256 for version in fitted}


def kill_at(begun: Path, cluster: "Cluster", victim: "Node") -> None:
    wait_for(begun)
    cluster.remove_node(victim, allow_graceful=False)


def wait_for(file: Path) -> None:
    while not file.exists():
        threading.Event().wait(0.05)

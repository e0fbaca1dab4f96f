import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from walking_users import random_walks

from models.baselines import Popularity
from models.data import Dataset, Interactions, Vocabulary
from models.hmdf import HMDF, HMDFConfig
from models.persistence import WEIGHTS, ModelFormatError
from models.promotion import decide
from models.registry import ModelRegistry, ModelVersion, UnknownVersionError
from models.version_faults import fault_of


def fitted(n_items: int = 4) -> Popularity:
    nothing = np.zeros(0, np.int32)
    events = Interactions(nothing, nothing, nothing.astype(np.float32), nothing.astype(np.int64))
    items = Vocabulary(tuple(f"i{item}" for item in range(n_items)))
    return Popularity().fit(
        Dataset(Vocabulary(("u",)), items, events, events, {}, np.zeros((0, 0), np.float32))
    )


def add(registry: ModelRegistry, data: str = "1", n_items: int = 4) -> ModelVersion:
    return registry.add(
        "popularity",
        fitted(n_items),
        metrics=[{"metric": "ndcg", "k": 10, "value": 0.1}],
        data_versions={"interactions": data},
        stamp={"code": "1"},
        git_commit="abc",
        item_ids=[f"i{item}" for item in range(n_items)],
    )


def add_refit(registry: ModelRegistry, judged_by: str = "") -> ModelVersion:
    return registry.add(
        "popularity-all-events",
        fitted(),
        metrics=[],
        data_versions={},
        stamp={},
        git_commit="abc",
        judged_by=judged_by,
    )


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


@pytest.mark.parametrize("name", ["manifest.json", "config.json", "items.json", WEIGHTS])
def test_a_cut_file_of_a_version_is_named_without_reading_its_weights(
    registry: ModelRegistry, name: str
) -> None:
    version = add(registry, n_items=400).version
    assert fault_of(registry, version) == ""
    file = registry.root / version / name
    os.truncate(file, file.stat().st_size // 2)
    assert fault_of(registry, version).startswith(f"{file} is damaged (")
    file.unlink()
    assert name in fault_of(registry, version) or f"no version {version}" in fault_of(
        registry, version
    )


def test_who_adds_the_same_version_at_the_same_time_gets_one_version(tmp_path: Path) -> None:
    for attempt in range(5):
        registry = ModelRegistry(tmp_path / str(attempt))
        with ThreadPoolExecutor(4) as writers:
            made = list(writers.map(lambda _, into=registry: add(into), range(4)))
        assert [each.version for each in made] == 4 * registry.names()
        assert [path.name for path in registry.root.iterdir()] == registry.names()


def test_a_version_comes_back_as_it_was_added(registry: ModelRegistry) -> None:
    made = add(registry)
    assert registry.versions() == [made] == [registry.version(made.version)]
    assert made.version.startswith("popularity-") and made.family == "popularity"
    assert isinstance(registry.load(made.version), Popularity)
    assert registry.metrics(made.version)[0]["value"] == 0.1
    assert registry.item_ids(made.version) == ("i0", "i1", "i2", "i3")


def test_a_version_names_the_one_that_it_was_judged_by(registry: ModelRegistry) -> None:
    judged = add(registry)
    refit = add_refit(registry, judged.version)
    assert registry.version(refit.version).judged_by == judged.version
    assert registry.version(judged.version).judged_by == ""
    manifest = registry.root / judged.version / "manifest.json"
    older = json.loads(manifest.read_text())
    del older["judged_by"]
    manifest.write_text(json.dumps(older))
    assert registry.version(judged.version) == judged


def test_the_same_version_twice_is_one_version(registry: ModelRegistry) -> None:
    first, again, other = add(registry), add(registry), add(registry, data="2")
    assert first == again != other
    assert len(registry.versions()) == 2
    assert not list(registry.root.glob(".*"))


def test_the_champion_is_one_file(registry: ModelRegistry) -> None:
    assert registry.champion() is None
    made = add(registry)
    registry.promote(made.version)
    assert registry.champion() == made.version
    with pytest.raises(UnknownVersionError, match="holds no version"):
        registry.promote("nothing")
    with pytest.raises(UnknownVersionError, match="holds no version"):
        registry.load("../models")
    assert registry.champion() == made.version


def test_changed_weights_are_not_loaded(registry: ModelRegistry) -> None:
    made = add(registry)
    weights = registry.root / made.version / "weights.safetensors"
    weights.write_bytes(weights.read_bytes() + b"x")
    with pytest.raises(ModelFormatError, match="is not what was saved"):
        registry.load(made.version)


def test_a_family_that_does_not_exist_is_named(registry: ModelRegistry) -> None:
    made = add(registry)
    config = registry.root / made.version / "config.json"
    config.write_text(config.read_text().replace('"popularity"', '"oracle"'))
    with pytest.raises(ModelFormatError, match=r"no family 'oracle'.*transition"):
        registry.load(made.version)


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_models_registry import ModelRegistry, add
registry = ModelRegistry(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(100_000):
    registry.promote(add(registry, data=str(number), n_items=2000).version)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_killed_writer_leaves_only_whole_versions(registry: ModelRegistry) -> None:
    here = Path(__file__).parent
    command = [sys.executable, "-c", WRITER, str(registry.root), str(here)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=here.parents[1]) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        while len(list(registry.root.glob("popularity-*"))) < 20:
            for version in registry.versions():
                registry.load(version.version)
        writer.send_signal(signal.SIGKILL)
    champion = registry.champion()
    assert champion in {version.version for version in registry.versions()}
    for folder in registry.root.glob("popularity-*"):
        registry.load(folder.name)
    registry.sweep()
    assert not list(registry.root.glob(".new-*"))


def test_a_worse_candidate_is_refused() -> None:
    rng = np.random.default_rng(0)
    old, popular = rng.random(200), np.zeros(200)
    assert decide(old, None, popular).promote
    assert decide(old, old, popular).promote
    assert decide(old + 0.1, old, popular).promote
    worse = decide(old - 0.1, old, popular)
    assert not worse.promote and "champion" in worse.reason
    unpopular = decide(old, old, old + 0.1)
    assert not unpopular.promote and "popularity" in unpopular.reason
    nobody = np.full(3, np.nan)
    assert not decide(nobody, None, nobody).promote


def test_damaged_weights_are_replaced_when_the_version_is_added_again(
    registry: ModelRegistry,
) -> None:
    made = add(registry)
    weights = registry.root / made.version / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert add(registry) == made
    assert isinstance(registry.load(made.version), Popularity)


@pytest.mark.parametrize("name", ["weights.safetensors", "config.json"])
def test_damage_to_a_model_within_a_model_is_noticed(registry: ModelRegistry, name: str) -> None:
    dataset = random_walks(n_users=80, n_items=60, length=27, held=3)
    small = HMDFConfig(candidates=15, rounds=10, patience=5, leaf_rows=5, threads=1)
    made = registry.add(
        "hmdf",
        HMDF(small).fit(dataset),
        metrics=[],
        data_versions={},
        stamp={},
        git_commit="abc",
        item_ids=dataset.item_ids.ids,
    )
    inner = registry.root / made.version / "retriever-0" / name
    whole = bytearray(inner.read_bytes())
    whole[-1] ^= 1
    inner.write_bytes(whole)
    with pytest.raises(ModelFormatError, match="not what was saved"):
        registry.load(made.version)

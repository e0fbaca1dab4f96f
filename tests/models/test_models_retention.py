"""Which versions are kept, and that a deletion leaves them whole or gone."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from test_models_registry import add, add_refit

from models.champion_history import Promotions
from models.registry import ModelRegistry, UnknownVersionError
from models.retention import GRACE, Policy, kept

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


def aged(registry: ModelRegistry, n: int) -> list[str]:
    """Versions of one recipe, the oldest first."""
    versions = [add(registry, data=f"{number}").version for number in range(n)]
    for age, version in enumerate(reversed(versions), start=1):
        written = (NOW - timedelta(days=age)).timestamp()
        os.utime(registry.root / version / "weights.safetensors", (written, written))
    return versions


def stays(registry: ModelRegistry, policy: Policy, *referred: str) -> dict[str, str]:
    history = Promotions(registry).history()
    return {one.version: one.why for one in kept(registry, history, referred, policy, NOW)}


def test_the_newest_of_each_recipe_stay(registry: ModelRegistry) -> None:
    versions = aged(registry, 7)
    other = add_refit(registry)
    found = stays(registry, Policy(5, 30))
    assert set(found) == {*versions[2:], other.version}
    assert set(found.values()) == {"is among the newest of its kind"}
    assert set(stays(registry, Policy(1, 30))) == {versions[6], other.version}


def test_what_is_named_stays_with_what_it_was_judged_by(registry: ModelRegistry) -> None:
    versions = aged(registry, 4)
    refit = add_refit(registry, versions[0])
    found = stays(registry, Policy(1, 0), versions[1], "gone")
    assert set(found) == {versions[0], versions[1], versions[3], refit.version}
    assert found[versions[1]] == "is named by a table"
    assert found[versions[0]] == f"is what {refit.version} was judged by"


def test_champions_of_the_last_days_stay_and_earlier_ones_do_not(
    registry: ModelRegistry,
) -> None:
    a, b, c, d, _ = aged(registry, 5)
    promoted = ((a, 90), (b, 60), (c, 20), (d, 10))
    for version, days in promoted:
        clock = Promotions(registry, lambda days=days: NOW - timedelta(days=days))  # type: ignore[misc]
        clock.promote(version, by="gate", reason="better")
    # b answered until 20 days ago, and a until 60 days ago.
    found = stays(registry, Policy(1, 30))
    assert found[d] == "answers" and found[b] == found[c] == "was champion lately"
    assert a not in found
    assert b not in stays(registry, Policy(1, 15))


def test_a_champion_of_a_moment_ago_stays_whatever_the_days(registry: ModelRegistry) -> None:
    a, b, c = aged(registry, 3)
    for version, ago in ((a, 3 * GRACE), (b, 2 * GRACE), (c, GRACE / 2)):
        clock = Promotions(registry, lambda ago=ago: NOW - ago)  # type: ignore[misc]
        clock.promote(version, by="gate", reason="better")
    assert set(stays(registry, Policy(1, 0))) == {b, c}


def test_a_version_whose_manifest_is_damaged_stays(registry: ModelRegistry) -> None:
    versions = aged(registry, 2)
    (registry.root / versions[0] / "manifest.json").write_text("{")
    found = stays(registry, Policy(1, 30))
    assert found[versions[0]] == "has a manifest that cannot be read"


def test_a_version_whose_weights_are_gone_stops_nothing(registry: ModelRegistry) -> None:
    versions = aged(registry, 3)
    (registry.root / versions[0] / "weights.safetensors").unlink()
    found = stays(registry, Policy(1, 30))
    assert set(found) == {versions[0], versions[2]}
    assert add(registry, data="0").version == versions[0], "it is replaced by a whole one"


def test_a_deleted_version_is_gone_and_whoever_reads_it_goes_on(registry: ModelRegistry) -> None:
    made = add(registry)
    weights = registry.root / made.version / "weights.safetensors"
    mapped = np.memmap(weights, dtype=np.uint8, mode="r")
    before = bytes(mapped)
    assert registry.remove(made.version) == registry_bytes(before, registry, made.version)
    assert bytes(mapped) == before
    assert registry.versions() == [] and not list(registry.root.iterdir())
    with pytest.raises(UnknownVersionError):
        registry.remove(made.version)
    assert add(registry) == made


def registry_bytes(weights: bytes, registry: ModelRegistry, version: str) -> int:
    """Bytes of a version that is made again: the same content gives the same bytes."""
    other = ModelRegistry(registry.root.with_name("again"))
    assert add(other).version == version
    files = [path for path in (other.root / version).rglob("*") if path.is_file()]
    assert (other.root / version / "weights.safetensors").read_bytes() == weights
    return sum(path.stat().st_size for path in files)


REMOVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_models_registry import ModelRegistry
registry = ModelRegistry(Path(sys.argv[1]))
print("ready", flush=True)
for version in registry.names():
    registry.remove(version)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_killed_deletion_leaves_only_whole_versions(registry: ModelRegistry) -> None:
    n = 300
    for number in range(n):
        add(registry, data=str(number), n_items=2000)
    here = Path(__file__).parent
    command = [sys.executable, "-c", REMOVER, str(registry.root), str(here)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=here.parents[1]) as remover:
        assert remover.stdout is not None
        assert remover.stdout.readline() == b"ready\n"
        while len(registry.names()) > n - 20:
            pass
        remover.send_signal(signal.SIGKILL)
    for version in registry.names():
        registry.load(version)
    assert 0 < len(registry.names()) < n
    registry.sweep()
    assert not list(registry.root.glob(".*"))


def test_what_a_killed_deletion_left_is_no_version_and_is_swept(registry: ModelRegistry) -> None:
    made, other = add(registry), add(registry, data="2")
    aside = registry.root / ".old-killed"
    aside.mkdir()
    # As a kill between the move and the deletion leaves it.
    (registry.root / made.version).rename(aside / made.version)
    assert registry.versions() == [other]
    assert registry.sweep() == 1 and not aside.exists()
    assert registry.versions() == [other]

"""Disks that are full or can only be read: the last good state stays, and one sentence says why."""

import shutil
from pathlib import Path

import pytest
from disks import command_on_read_only_disk, command_on_small_disk, on_small_disk
from small_platform import chosen_by_variables

from crossmodal.settings import Settings

TABLES = """
import errno, sys
from pathlib import Path
import numpy as np, polars as pl
from crossmodal.lake import Lake

lake = Lake(Path(sys.argv[1]))
lake.write("noise", pl.DataFrame({"n": [1]}), {})
try:
    lake.write("noise", pl.DataFrame({"n": np.random.default_rng(0).random(500_000)}), {})
except OSError as error:
    assert error.errno == errno.ENOSPC, error
    print("full", lake.read("noise").rows(), [path.name for path in lake.root.iterdir()])
"""

MODELS = """
import errno, sys
from pathlib import Path
import numpy as np
from crossmodal.store_errors import refused_write
from models.baselines import Popularity
from models.data import Dataset, Interactions, Vocabulary
from models.registry import ModelRegistry

def added(n_items):
    nothing = np.zeros(0, np.int32)
    none = Interactions(nothing, nothing, nothing.astype(np.float32), nothing.astype(np.int64))
    ids = tuple(f"i{item}" for item in range(n_items))
    data = Dataset(Vocabulary(("u",)), Vocabulary(ids), none, none, {}, np.zeros((0, 0), "f4"))
    return registry.add(
        "popularity", Popularity().fit(data), metrics=[], data_versions={"n": str(n_items)},
        stamp={}, git_commit="abc", item_ids=ids,
    )

registry = ModelRegistry(Path(sys.argv[1]) / "models")
first = added(4)
try:
    added(400_000)
except Exception as error:
    refused = refused_write(error)
    assert refused is not None and refused.errno == errno.ENOSPC, error
registry.load(first.version)
assert [path.name for path in registry.root.iterdir()] == registry.names() == [first.version]
print("whole", len({first.version, added(5).version}))
"""

EVENTS = """
import sys
from contextlib import closing
from pathlib import Path
from fastapi.testclient import TestClient
sys.path.insert(0, sys.argv[1])
from small_platform import small_settings
from crossmodal.event_log import last_position
from crossmodal.paths import StatePaths
from serving.app import create_app

settings = small_settings(Path(sys.argv[2]), serve_allowed_hosts=("testserver",))
paths = StatePaths(settings.home)
ballast = paths.event_log.parent / "ballast"

def reported(client, number, text):
    item = client.get("/v1/items", params={"k": 1}).json()["items"][0]["item_id"]
    event = {"event_id": f"e{number}", "user_id": "ada", "item_id": item, "type": "review"}
    return client.post("/v1/events", json={"events": [{**event, "text": text}]})

with TestClient(create_app(settings), raise_server_exceptions=False) as client:
    codes = [reported(client, 0, "good").status_code]
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    refused = [reported(client, number, "x" * 4000) for number in range(1, 40)]
    full = [answer for answer in refused if answer.status_code != 200]
    assert full, "the disk is full"
    assert {answer.status_code for answer in full} == {503}
    assert not any(str(settings.home) in answer.text for answer in full)
    taken = 1 + len(refused) - len(full)
    assert last_position(paths.event_log) == taken, "what was refused is not there"
    ballast.unlink()
    codes.append(reported(client, 99, "good again").status_code)
    assert last_position(paths.event_log) == taken + 1
print(codes)
"""


def test_a_table_that_does_not_fit_leaves_the_last_one_whole(tmp_path: Path) -> None:
    said = on_small_disk(tmp_path / "disk", "1m", TABLES, tmp_path / "disk")
    assert said.strip() == "full [(1,)] ['noise.parquet']"


def test_a_model_that_does_not_fit_leaves_the_others_whole(tmp_path: Path) -> None:
    said = on_small_disk(tmp_path / "disk", "1m", MODELS, tmp_path / "disk")
    assert said.strip() == "whole 2"


@pytest.mark.slow
@pytest.mark.faults
def test_the_service_refuses_events_while_the_disk_is_full_and_then_goes_on(
    copied: Settings,
) -> None:
    serving = copied.home / "serving"
    shutil.rmtree(serving, ignore_errors=True)
    tests = Path(__file__).resolve().parents[2]
    said = on_small_disk(serving, "3m", EVENTS, tests, copied.home)
    assert said.strip() == "[200, 200]"


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("size", ["256k", "2m"])
def test_a_run_on_a_full_disk_ends_with_one_sentence(tmp_path: Path, size: str) -> None:
    ended = command_on_small_disk(tmp_path / "home", size, "run", **chosen_by_variables())
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "the disk is full" in ended.stderr.splitlines()[-1]
    assert "make room" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("words", [("run",), ("serve",), ("ui",), ("backup", "archive")])
def test_a_home_that_can_only_be_read_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    home = tmp_path / "home"
    (home / "lake").mkdir(parents=True)
    (home / "source.json").write_text('{"source": "sample"}')
    ended = command_on_read_only_disk(home, *words)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert str(home) in last and "CROSSMODAL_HOME" in last

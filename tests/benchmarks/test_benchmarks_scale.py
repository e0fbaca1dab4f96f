"""The scale benchmark: real fits in processes of their own, on events with something to learn."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.scale import synthetic


def test_the_events_hold_a_taste_that_the_tokens_tell() -> None:
    dataset = synthetic(5_000, 400, seed=1)
    assert len(dataset.train) + len(dataset.validation) == 5_000
    assert len(dataset.validation) == dataset.n_users == 100
    vectors, present = dataset.tokens["text"].at()
    assert present.all()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    own = dataset.train.items[dataset.train.users == 0]
    strangers = np.setdiff1d(np.arange(400), own)
    centre = unit[own].mean(axis=0)
    assert (unit[own] @ centre).mean() > 2 * (unit[strangers] @ centre).mean()


@pytest.mark.slow
def test_a_fit_tells_its_time_and_its_memory(tmp_path: Path) -> None:
    out = tmp_path / "scale.json"
    told = ["--models", "gat", "--events", "2000", "--items", "100", "--out", str(out)]
    subprocess.run([sys.executable, "-m", "benchmarks.scale", *told], check=True)
    (row,) = json.loads(out.read_text())["rows"]
    assert (row["model"], row["events"], row["users"]) == ("gat", 2000, 40)
    assert 0 < row["events_gib"] <= row["peak_gib"] < 8 and row["fit_s"] > 0

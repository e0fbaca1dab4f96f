"""That LightGBM's threads leave the cores to others while they wait."""

import os
import subprocess
import sys

import pytest

SHOWN = "import crossmodal, lightgbm"


@pytest.mark.skipif(
    sys.platform != "linux", reason="GNU's OpenMP shows its settings; others do not"
)
@pytest.mark.parametrize(
    ("chosen", "found"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "5"}, "5"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "0")],
)
def test_threads_wait_in_short_loops_unless_somebody_chose_another_way(
    chosen: dict[str, str], found: str
) -> None:
    ways = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    others = {name: value for name, value in os.environ.items() if name not in ways}
    shown = subprocess.run(
        [sys.executable, "-c", SHOWN],
        env={**others, **chosen, "OMP_DISPLAY_ENV": "VERBOSE"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"GOMP_SPINCOUNT = '{found}'" in shown.stderr

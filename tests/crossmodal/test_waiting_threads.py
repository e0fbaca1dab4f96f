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
    ("chosen", "found"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")]
)
def test_threads_wait_without_a_busy_loop_unless_somebody_chose_another(
    chosen: dict[str, str], found: str
) -> None:
    others = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    shown = subprocess.run(
        [sys.executable, "-c", SHOWN],
        env={**others, **chosen, "OMP_DISPLAY_ENV": "TRUE"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"OMP_WAIT_POLICY = '{found}'" in shown.stderr

"""Random changes of good files, a few of each kind; `make fuzz-media` makes many."""

from pathlib import Path

import pytest
from fuzzing import complaints, good_files

GOOD = good_files()
CHANGES = 24
SECONDS = 60.0
"""A busy machine is no hang; from the command line, five seconds are."""

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", GOOD)
def test_no_change_crashes_hangs_or_passes_for_good(tmp_path: Path, name: str) -> None:
    assert list(complaints(name, GOOD[name], CHANGES, tmp_path, seconds=SECONDS)) == []

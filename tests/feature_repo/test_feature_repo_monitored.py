"""Statistics of two stretches of time are of the rows of these, wherever the machine is."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from feature_lake import START, fill_lake  # type: ignore[import-not-found]

from crossmodal.lake import Lake
from feature_repo.store import apply_definitions

AFTER, CUT = START + timedelta(days=3), START + timedelta(days=21, hours=7)
ASKED = """
import json, sys
from datetime import datetime
from pathlib import Path
from crossmodal.paths import StatePaths
from feature_repo.monitored import Stretches, statistics_before_and_after

stretches = Stretches(*map(datetime.fromisoformat, sys.argv[2:]))
((_, *both),) = statistics_before_and_after(
    StatePaths(Path(sys.argv[1])), ["user_statistics"], stretches
)
print(json.dumps([int(one["user_n_events"].counts.sum()) for one in both]))
"""


@pytest.mark.slow
def test_rows_are_counted_by_instants_and_not_by_the_clock_of_the_machine(tmp_path: Path) -> None:
    paths = fill_lake(tmp_path / "home")
    apply_definitions(paths)
    at = Lake(paths.lake).read("user_statistics").sort("event_timestamp")["event_timestamp"]
    # Both ends are instants of rows: the one before the older stretch, the last of it.
    after, cut = at.filter(at <= AFTER)[-1], at.filter(at <= CUT)[-1]
    expected = [at.is_between(after, cut, closed="right").sum(), (at > cut).sum()]
    said = subprocess.run(
        [sys.executable, "-c", ASKED, paths.home, after.isoformat(), cut.isoformat()],
        env={**os.environ, "TZ": "America/New_York"},
        stdout=subprocess.PIPE,
        check=True,
    )
    assert json.loads(said.stdout) == expected
    assert min(expected) > 0

"""Kills `crossmodal run` at random instants, and holds what is left against an undisturbed run.

    python -m benchmarks.kill_drill --kills 20 --folder FOLDER

After each kill every table of the lake must be readable. A run goes on where the killed one stopped
and may be killed again. Whenever one ends by itself, its tables must equal those of a run that
nobody disturbed, and the next begins with an empty home. Only a run that was still going counts.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from crossmodal.lake import Lake

_SMALL = {
    "CROSSMODAL_SAMPLE_USERS": "60",
    "CROSSMODAL_SAMPLE_ITEMS": "80",
    "CROSSMODAL_SAMPLE_EVENTS": "1800",
    "CROSSMODAL_TRAINING_EPOCHS": "2",
    "CROSSMODAL_BOOTSTRAP_SAMPLES": "100",
    "CROSSMODAL_ID_KEY": "a key for the drill",
}
_NOT_DATA = {"media_checksums"}
"""Remembers file times, which differ between two homes whose files were made twice."""


def main() -> int:
    """Runs the drill; 0 where every table was readable and the final ones are equal."""
    arguments = _parse()
    calm, killed = arguments.folder / "calm", arguments.folder / "killed"
    started = time.monotonic()
    _run(calm).wait()
    duration = time.monotonic() - started
    print(f"An undisturbed run takes {duration:.0f} s.", flush=True)
    rng = np.random.default_rng(arguments.seed)
    unreadable: list[str] = []
    different: list[str] = []
    kills = 0
    while kills < arguments.kills:
        instant = float(rng.uniform(0, duration))
        if _kill_after(killed, instant):
            kills += 1
            tables, broken = _read_all(killed)
            unreadable += broken
            print(f"Kill {kills} after {instant:.1f} s: {tables} tables readable.", flush=True)
        else:
            different += _compared(calm, killed)
            shutil.rmtree(killed)
    _run(killed).wait()
    different += _compared(calm, killed)
    print(f"Unreadable: {unreadable or 'none'}. Different at an end: {different or 'none'}.")
    return int(bool(unreadable or different))


def _kill_after(home: Path, seconds: float) -> bool:
    """Starts a run; True where it was still going after so many seconds, and was killed."""
    process = _run(home)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def _compared(calm: Path, killed: Path) -> list[str]:
    differences = _differences(calm, killed)
    print(f"A run has ended by itself; different: {differences or 'none'}.", flush=True)
    return differences


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args()


def _run(home: Path) -> "subprocess.Popen[bytes]":
    environment = os.environ | _SMALL | {"CROSSMODAL_HOME": str(home)}
    command = [sys.executable, "-m", "orchestration.cli", "run", "--source", "sample"]
    return subprocess.Popen(
        command,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _read_all(home: Path) -> tuple[int, list[str]]:
    """Reads every row of every table; returns how many there are and which cannot be read."""
    broken = []
    paths = sorted((home / "lake").rglob("*.parquet"))
    for path in paths:
        try:
            pq.read_table(path)
        except (OSError, ValueError) as error:
            broken.append(f"{path.name}: {error}")
    return len(paths), broken


def _differences(first: Path, second: Path) -> list[str]:
    """Tables whose content is not the same in both homes."""
    left, right = _contents(first), _contents(second)
    return sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))


def _contents(home: Path) -> dict[str, str]:
    lake = Lake(home / "lake")
    names = [
        str(path.relative_to(lake.root).with_suffix("")) for path in lake.root.rglob("*.parquet")
    ]
    return {name: lake.version(name).data_version for name in names if name not in _NOT_DATA}


if __name__ == "__main__":
    sys.exit(main())

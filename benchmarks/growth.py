"""Time and memory of a whole run as the events grow: by stage, in one JSON file and one picture.

    python -m benchmarks.growth [--events 100000,1000000] [--scratch FOLDER]

Every size is generated in ml-25m's shape (`benchmarks.movielens_like`) and run in a home of its
own by `crossmodal run`, with titles and genres and no media; then once more, unchanged. The memory
is the largest sum of what the run's processes had to themselves (PSS on Linux), sampled every two
seconds; of a table, while it was made.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks._runs import numbers, write
from benchmarks.movielens_like import FULL, write_movielens

OUT = Path("benchmarks/out/growth.json")
SIZES = (100_000, 1_000_000, 5_000_000, FULL)
_GIB = 2**30
_LARGEST = 12
_EVERY_S = 2.0
"""Between samples of memory, which take a while themselves."""


def main() -> None:
    """Runs every size, writes the figures after each, and draws them."""
    chosen = _parsed()
    rows: list[dict[str, Any]] = []
    for events in chosen.events:
        rows.append(_run(events, chosen.scratch, chosen.seed))
        write(chosen.out, {"rows": rows})
        print(_said(rows[-1]), flush=True)
    draw(rows, chosen.out.with_suffix(".png"))


def _run(events: int, scratch: Path, seed: int) -> dict[str, Any]:
    data, home = scratch / f"data_{events}", scratch / f"home_{events}"
    for folder in (data, home):
        shutil.rmtree(folder, ignore_errors=True)
    write_movielens(data, events, seed)
    first = _measured(data, home)
    again = _measured(data, home)
    return {"events": events, **first, "unchanged_s": again["seconds"]}


def _measured(data: Path, home: Path) -> dict[str, Any]:
    """A run's exit status, seconds, CPU seconds, peak of memory, and the same of each table."""
    command = [sys.executable, "-m", "orchestration.cli", "run", "--source", "movielens"]
    log = home.with_suffix(".log")
    began = time.perf_counter()
    with log.open("w") as file:
        process = subprocess.Popen(
            [*command, "--path", str(data)],
            env=os.environ | {"CROSSMODAL_HOME": str(home)},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        memory = _Memory(process.pid, home / "timings.json")
        memory.start()
        status, usage = _waited(process)
    memory.stop()
    return {
        "exit": status,
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_s": round(usage, 1),
        "peak_gib": round(memory.peak / _GIB, 2),
        "tables_s": memory.timings(),
        "tables_gib": {name: round(peak / _GIB, 2) for name, peak in memory.tables.items()},
    }


def _waited(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


class _Memory(threading.Thread):
    """Samples the memory of a process and all below it until it is stopped."""

    def __init__(self, pid: int, timings: Path) -> None:
        super().__init__(daemon=True)
        self._pid, self._timings = pid, timings
        self._ended = threading.Event()
        self.peak = 0
        self.tables: dict[str, int] = {}

    def run(self) -> None:
        """Samples now and then; a table that has appeared takes the peak since the last one."""
        known, since = set(self.timings()), 0
        while not self._ended.wait(_EVERY_S):
            held = _held(self._pid)
            self.peak, since = max(self.peak, held), max(since, held)
            made = set(self.timings())
            if made - known:
                self.tables |= dict.fromkeys(made - known, since)
                known, since = made, 0

    def stop(self) -> None:
        """Ends the sampling."""
        self._ended.set()
        self.join()

    def timings(self) -> dict[str, float]:
        """Seconds of each table that the run has made."""
        try:
            seconds: dict[str, float] = json.loads(self._timings.read_text("ascii"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return seconds


def _held(pid: int) -> int:
    """Bytes that a process and all that it has started hold; shared pages count once."""
    held = 0
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for member in family:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            held += member.memory_full_info().pss
    return held


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Seconds of the largest tables and the peak of memory against events, both on log scales."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    events = [row["events"] for row in rows]
    largest = sorted(rows[-1]["tables_s"], key=rows[-1]["tables_s"].__getitem__)[-_LARGEST:]
    figure, (times, memory) = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
    times.plot(events, [row["seconds"] for row in rows], "k-o", label="whole run")
    for name in reversed(largest):
        times.plot(events, [row["tables_s"].get(name) for row in rows], "-o", ms=3, label=name)
    memory.plot(events, [row["peak_gib"] for row in rows], "k-o")
    for axis, title in ((times, "seconds"), (memory, "peak of memory, GiB")):
        axis.set(xscale="log", yscale="log", xlabel="events", title=title)
        axis.grid(alpha=0.3)
    times.legend(fontsize=7)
    figure.savefig(path, dpi=120)


def _said(row: dict[str, Any]) -> str:
    slowest = sorted(row["tables_s"].items(), key=lambda pair: -pair[1])[:_LARGEST]
    listed = ", ".join(f"{name} {seconds:.0f}" for name, seconds in slowest)
    return (
        f"{row['events']:,} events: exit {row['exit']}, {row['seconds']:.0f} s, "
        f"{row['cpu_s']:.0f} s of CPU, {row['peak_gib']} GiB, "
        f"unchanged {row['unchanged_s']:.0f} s; {listed}"
    )


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=numbers, default=list(SIZES), help="with commas")
    parser.add_argument("--scratch", type=Path, default=Path("benchmarks/out/growth"))
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args()


if __name__ == "__main__":
    main()

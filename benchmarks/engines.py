"""Encoding, fits and lists on a Ray cluster of one node and of two, each on a core of its own.

    python -m benchmarks.engines --home HOME

The home has had a run; its pictures are encoded again, the hybrid is fitted again on each of its
splits, and the champion makes all lists again. Nothing in the home changes. A node, with all its
processes, is pinned to one core, and the run shares the core of one node. Each cluster is a process
of its own. The throughput is that of the time in which all workers work, and for fits that of the
whole; the seconds are those of the whole, with what loading takes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assets.datasets import split_data, splits_in
from assets.encoding import files_to_features, of_one_root, usable_files
from assets.engines import Compute, Progress, Work, engine_of
from assets.media_places import MediaPlaces
from assets.recommendations import known_events, list_writer, user_blocks
from assets.registry import open_registry
from benchmarks._runs import write
from crossmodal.modalities import modality_of
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.catalogue import entry_of
from models.parallel import Executor

_OUT = Path("benchmarks/out/engines.json")
_STORE_BYTES = 300 * 2**20
_FILES_PER_PART = 64
_USERS_PER_PART = 64


@dataclass(frozen=True)
class Timed:
    """Work that notes when each of its parts began and ended.

    Attributes:
        work: what is done.
        notes: a folder that gets one file per part.
    """

    work: Work
    notes: Path

    def start(self, progress: Progress) -> Compute:
        """Starts the work itself."""
        compute, part = self.work.start(progress), 0

        def timed(rows: pl.DataFrame) -> pl.DataFrame:
            nonlocal part
            part += 1
            began = time.time()
            made = compute(rows)
            note = {"worker": os.getpid(), "rows": rows.height, "began": began}
            note_file = self.notes / f"{os.getpid()}-{part}.json"
            note_file.write_text(json.dumps(note | {"ended": time.time()}))
            return made

        return timed


def main() -> None:
    """Measures one worker and two, and writes how much more two do."""
    chosen = _parsed()
    if chosen.workers:
        print(json.dumps(measured(chosen.home, chosen.workers)))
        return
    one, two = (_in_a_process(chosen.home, workers) for workers in (1, 2))
    ratios = {name: two[name]["per_second"] / one[name]["per_second"] for name in one}
    figures = {"one_worker": one, "two_workers": two, "ratio": ratios}
    print(json.dumps(figures, indent=1))
    write(chosen.out, figures)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--home", type=Path, required=True, help="a home that has had a run")
    parser.add_argument("--workers", type=int, help="measure this number alone")
    parser.add_argument("--out", type=Path, default=_OUT)
    return parser.parse_args()


def _in_a_process(home: Path, workers: int) -> dict[str, dict[str, float]]:
    command = [sys.executable, "-m", "benchmarks.engines", "--home", str(home)]
    answer = subprocess.run(
        [*command, "--workers", str(workers)], check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(answer.stdout.splitlines()[-1])


def measured(home: Path, workers: int) -> dict[str, dict[str, float]]:
    """Rows per second and seconds of each kind of work; a row of fits is a split."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled")
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    import ray
    from ray.cluster_utils import Cluster

    cores = sorted(os.sched_getaffinity(0))[:workers]
    if len(cores) < workers:
        sys.exit(f"{workers} workers need as many cores; this process may use {len(cores)}.")
    cluster = Cluster()
    try:
        for core in reversed(cores):
            os.sched_setaffinity(0, {core})
            cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES, include_dashboard=False)
        cluster.wait_for_nodes()
        settings = Settings(home=home, engine="ray", ray_address=cluster.address)
        found = {"pictures": _pictures(settings), "fits": _fits(settings)}
        return {**found, "lists": _lists(settings)}
    finally:
        ray.shutdown()
        cluster.shutdown()


def _pictures(settings: Settings) -> dict[str, float]:
    home = Workspace(settings)
    files = usable_files(home.lake, "image").unique("content_sha256", maintain_order=True)
    frames = list(of_one_root(MediaPlaces(home), files))
    work = files_to_features(home, modality_of("image"), "image")
    return _timed(settings, work, frames, _FILES_PER_PART)


def _fits(settings: Settings) -> dict[str, float]:
    """The seconds hold what loading takes, as fits are few and long."""
    splits = splits_in(Workspace(settings).lake, entry_of("hmdf").splits)
    engine, began = engine_of(settings), time.perf_counter()
    for _ in engine.fit(_fit, (settings, engine.executor()), {name: (name,) for name in splits}):
        pass
    seconds = time.perf_counter() - began
    per_second = round(len(splits) / seconds, 4)
    return {"rows": len(splits), "seconds": round(seconds, 1), "per_second": per_second}


def _fit(settings: Settings, executor: Executor | None, split: str) -> None:
    data, entry = split_data(Workspace(settings).lake, split).dataset, entry_of("hmdf")
    entry.build(entry.choose(settings), settings.device, executor=executor).fit(data)


def _lists(settings: Settings) -> dict[str, float]:
    home = Workspace(settings)
    registry = open_registry(home)
    version = home.lake.read("serving_model")["version"].item()
    log = known_events(home.lake, registry.item_ids(version), settings.seed)
    work = list_writer(home, registry.load(version), log)
    return _timed(settings, work, list(user_blocks(log)), _USERS_PER_PART)


def _timed(
    settings: Settings, work: Work, frames: Sequence[pl.DataFrame], rows: int
) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        timed = Timed(work, Path(folder))
        for _ in engine_of(settings).map_frames(timed, frames, rows, lambda done: None):
            pass
        seconds = time.perf_counter() - began
        notes = pl.DataFrame([json.loads(file.read_text()) for file in Path(folder).iterdir()])
    return {
        "rows": sum(frame.height for frame in frames),
        "seconds": round(seconds, 1),
        "workers": notes["worker"].n_unique(),
        "per_second": round(_throughput(notes), 1),
    }


def _throughput(notes: pl.DataFrame) -> float:
    """Rows per second from the last worker's first part to the first worker's last part."""
    workers = notes.group_by("worker").agg(pl.col("began").min(), pl.col("ended").max())
    start, end = workers["began"].max(), workers["ended"].min()
    if end <= start:
        sys.exit("The workers did not work at the same time: measure a home with more rows.")
    inside = pl.min_horizontal("ended", pl.lit(end)) - pl.max_horizontal("began", pl.lit(start))
    share = inside.clip(0) / (pl.col("ended") - pl.col("began"))
    return notes.select((pl.col("rows") * share).sum()).item() / (end - start)


if __name__ == "__main__":
    main()

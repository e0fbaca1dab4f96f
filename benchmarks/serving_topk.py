"""The exact best 20 of a million vectors, in a matrix that two processes map.

python -m benchmarks.serving_topk [--rows 1000000]
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
from threadpoolctl import threadpool_limits

from models.data import Floats, Ints
from models.ranking import nearest_rows

_K = 20
_SEED = 42
_WIDTH = 128
_QUERIES = 30
_PROCESSES = 2
_AT_ONCE = 50_000
_MEGABYTE = 1_000_000


def measured(folder: Path, rows: int) -> dict[str, float]:
    """topk_1m_ms, the median of a query with a thread a core, and topk_1m_rss_mb.

    The memory is that of two processes, pages that they share counted once, less what the first
    holds for itself alone.
    """
    path = folder / "vectors.npy"
    _write(path, rows)
    milliseconds = _milliseconds(path)
    name = f"topk_{rows // 1_000_000}m" if rows >= 1_000_000 else f"topk_{rows}"
    return {
        f"{name}_ms": round(milliseconds, 1),
        f"{name}_rss_mb": round(_memory(path)),
    }


def _milliseconds(path: Path) -> float:
    with _searching(path) as (vectors, ties):
        threads = os.cpu_count() or 1
        seconds = [_query(vectors, ties, number, threads) for number in range(_QUERIES)]
        _require_exact(vectors, ties)
    return float(np.median(seconds)) * 1000


@contextmanager
def _searching(path: Path) -> Iterator[tuple[Floats, Ints]]:
    vectors = np.asarray(np.load(path, mmap_mode="r"))
    ties = np.random.default_rng(_SEED).permutation(len(vectors)).astype(np.int32)
    with threadpool_limits(1):
        yield vectors, ties


def _query(vectors: Floats, ties: Ints, number: int, threads: int) -> float:
    query = np.random.default_rng(number).normal(size=_WIDTH).astype(np.float32)
    begun = time.perf_counter()
    nearest_rows(vectors, query, _K, ties, threads=threads)
    return time.perf_counter() - begun


def _require_exact(vectors: Floats, ties: Ints) -> None:
    query = np.random.default_rng(_SEED).normal(size=_WIDTH).astype(np.float32)
    rows = nearest_rows(vectors, query, _K, ties).items[0]
    scores = np.concatenate(
        [vectors[start : start + _AT_ONCE] @ query for start in range(0, len(vectors), _AT_ONCE)]
    )
    expected = np.sort(scores)[::-1][:_K]
    np.testing.assert_allclose(scores[rows], expected, rtol=1e-5)


def _write(path: Path, rows: int) -> None:
    draw = np.random.default_rng(_SEED)
    vectors = np.lib.format.open_memmap(path, "w+", np.float32, (rows, _WIDTH))
    for start in range(0, rows, _AT_ONCE):
        part = vectors[start : start + _AT_ONCE]
        part[:] = draw.normal(size=part.shape)
    vectors.flush()


def _memory(path: Path) -> float:
    """Megabytes of all processes together, beyond the first one's private memory."""
    spawn = get_context("spawn")
    barrier, answers = spawn.Barrier(_PROCESSES), spawn.Queue()
    workers = [
        spawn.Process(target=_work, args=(path, barrier, answers)) for _ in range(_PROCESSES)
    ]
    for worker in workers:
        worker.start()
    sizes = [answers.get(timeout=300) for _ in workers]
    for worker in workers:
        worker.join()
    return float((sum(pss for pss, _ in sizes) - sizes[0][1]) / _MEGABYTE)


def _work(path: Path, barrier: Barrier, answers: "Queue[tuple[int, int]]") -> None:
    with _searching(path) as (vectors, ties):
        for number in range(3):
            _query(vectors, ties, number, 1)
        barrier.wait(300)
        memory = psutil.Process().memory_full_info()
        # Nobody lets go of the file before everybody was measured.
        barrier.wait(300)
        answers.put((memory.pss, memory.uss))


def main() -> int:
    """Runs the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    with TemporaryDirectory(prefix="topk-") as folder:
        print(json.dumps(measured(Path(folder), parser.parse_args().rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

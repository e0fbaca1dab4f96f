"""Work done by the workers of a Ray cluster, by Ray Data."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import polars as pl
import pyarrow as pa
import ray
import ray.data

from assets.engines.protocol import Progress, Work

_PART, _MADE = "__part", "__made"
_ANSWER_SECONDS = 5.0


class RayUnreachableError(RuntimeError):
    """No cluster answers at the address; the message names it."""


class RayEngine:
    """Cuts frames into parts for actors: one per GPU, or one per core where there is no GPU.

    Each actor starts the work once. Where a node is lost, Ray does its parts again on the others.

    Args:
        address: of the cluster; empty for one that this process starts on its machine.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def map_frames(
        self, work: Work, frames: Iterable[pl.DataFrame], rows: int, progress: Progress
    ) -> Iterator[pl.DataFrame]:
        """See `Engine`. The object store holds all parts before the first one is worked on.

        Raises:
            RayUnreachableError: no cluster answers at the address.
        """
        connect(self._address)
        heights, blocks = _put(frames, rows)
        made = _made(work, blocks)
        done = 0
        for parts in heights:
            whole = []
            for height in parts:
                whole.append(next(made))
                done += height
                progress(done)
            yield pl.concat(whole)


def connect(address: str) -> None:
    """Joins the cluster, for as long as this process lives.

    Args:
        address: as in the setting.

    Raises:
        RayUnreachableError: no cluster answers at the address.
    """
    if ray.is_initialized():
        return
    if address:
        _require_answer(address)
    # Nothing of the platform reports to anyone.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with _same_handler_of_sigterm():
        ray.init(
            address or "local",
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level="WARNING",
        )
    # Its plans of execution would interrupt the run's own progress.
    logging.getLogger("ray.data").setLevel(logging.WARNING)


def _require_answer(address: str) -> None:
    """Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), _ANSWER_SECONDS).close()
    except OSError as error:
        raise RayUnreachableError(
            f"No Ray cluster answers at CROSSMODAL_RAY_ADDRESS={address} ({error}): start one "
            "with `ray start --head` and name its address, or leave the setting out."
        ) from error


@contextmanager
def _same_handler_of_sigterm() -> Iterator[None]:
    """Ray would end the process by a handler of its own, past what the run does at its end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _put(
    frames: Iterable[pl.DataFrame], rows: int
) -> "tuple[list[list[int]], list[ray.ObjectRef[pa.Table]]]":
    """The rows of each frame's parts, and all parts in the object store, numbered."""
    heights: list[list[int]] = []
    blocks: list[ray.ObjectRef[pa.Table]] = []
    for frame in frames:
        heights.append([])
        for part in frame.iter_slices(rows):
            number = pl.lit(len(blocks), dtype=pl.Int64).alias(_PART)
            blocks.append(ray.put(part.with_columns(number).to_arrow()))
            heights[-1].append(part.height)
    return heights, blocks


def _made(work: Work, blocks: "list[ray.ObjectRef[pa.Table]]") -> Iterator[pl.DataFrame]:
    """What is made of each part, in their order."""
    if not blocks:
        return
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0))
    most = min(gpus or int(resources.get("CPU", 1)), len(blocks))
    context = ray.data.DataContext.get_current().copy()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    with ray.data.DataContext.current(context):
        made = ray.data.from_arrow_refs(blocks).map_batches(
            _Actor,
            # One copy per node, which all its actors read.
            fn_constructor_args=(ray.put(work),),
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(min_size=1, initial_size=most, max_size=most),
            num_cpus=1,
            num_gpus=1 if gpus else 0,
        )
        for row in made.iter_rows():
            yield pl.read_ipc_stream(row[_MADE])


class _Actor:
    """One process that works on parts."""

    def __init__(self, work: "ray.ObjectRef[Work]") -> None:
        self._compute = ray.get(work).start(_nobody_watches)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """One row per part: what is made of it, as an Arrow stream, which may have no row."""
        parts = pl.DataFrame(batch).partition_by(_PART, maintain_order=True, include_key=False)
        made = [_streamed(self._compute(rows)) for rows in parts]
        return pa.table({_MADE: pa.array(made, pa.large_binary())})


def _streamed(frame: pl.DataFrame) -> bytes:
    buffer = frame.write_ipc_stream(None)
    return buffer.getvalue()


def _nobody_watches(done: int) -> None:
    """The driver counts whole parts."""

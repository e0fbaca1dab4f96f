"""Work done by the workers of a Ray cluster: frames by Ray Data, fits by tasks."""

import socket
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, TypeVar

import polars as pl
import pyarrow as pa
import ray
import ray.data

from assets.engines.cluster import connect, processors
from assets.engines.protocol import Progress, Work
from assets.engines.sameness import Sameness
from assets.engines.tasks import RayTasks
from crossmodal.settings import Settings

_PART, _MADE, _ERROR = "__part", "__made", "__error"

Answer = TypeVar("Answer")


class RayEngine:
    """Cuts frames into parts for actors: one per GPU, or one per core where there is no GPU.

    Each actor starts the work once. Where a node is lost, Ray does its parts again on the others.

    Args:
        settings: name the cluster, and the home that its nodes share.

    Raises:
        RayUnreachableError: by each method, where no cluster answers at the address.
        DifferentNodeError: by each method, where a node has another home or other code.
    """

    def __init__(self, settings: Settings) -> None:
        self._address, self._home = settings.ray_address, settings.home

    def map_frames(
        self, work: Work, frames: Iterable[pl.DataFrame], rows: int, progress: Progress
    ) -> Generator[pl.DataFrame, None, None]:
        """See `Engine`. The object store holds all parts before the first one is worked on."""
        connect(self._address)
        heights, blocks = _put(frames, rows)
        done = 0
        with closing(_made(work, Sameness.of(self._home), blocks)) as made:
            for parts in heights:
                whole = []
                for height in parts:
                    whole.append(next(made))
                    done += height
                    progress(done)
                yield pl.concat(whole)

    def works_here(self, fits: int) -> bool:
        """See `Engine`."""
        return False

    def fit(
        self,
        function: Callable[..., Answer],
        common: tuple[object, ...],
        fits: Mapping[str, tuple[Any, ...]],
    ) -> Iterator[Answer]:
        """See `Engine`: one task per fit, which takes a GPU where the cluster has some."""
        connect(self._address)
        _, gpus = processors()
        tasks = RayTasks(self._address, Sameness.of(self._home), min(1, gpus))
        return tasks.map(function, common, fits)

    def executor(self) -> RayTasks:
        """See `Engine`: tasks without a GPU, as what the hybrid stacks computes on CPUs."""
        connect(self._address)
        return RayTasks(self._address, Sameness.of(self._home))


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


def _made(
    work: Work, same: Sameness, blocks: "list[ray.ObjectRef[pa.Table]]"
) -> Generator[pl.DataFrame, None, None]:
    """What is made of each part, in their order."""
    if not blocks:
        return
    cpus, gpus = processors()
    most = min(gpus or cpus, len(blocks))
    context = ray.data.DataContext.get_current().copy()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    with ray.data.DataContext.current(context):
        made = ray.data.from_arrow_refs(blocks).map_batches(
            _Actor,
            # One copy per node, which all its actors read.
            fn_constructor_args=(ray.put(work), same),
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(min_size=1, initial_size=most, max_size=most),
            num_cpus=1,
            num_gpus=1 if gpus else 0,
        )
    for row in made.iter_rows():
        if row[_ERROR] is not None:
            error, said = ray.cloudpickle.loads(row[_ERROR])
            raise error from WorkerError(said)
        yield pl.read_ipc_stream(row[_MADE])


class WorkerError(Exception):
    """Where on a worker an error was raised: its traceback there."""


class _Actor:
    """One process that works on parts.

    Errors are answers, so that the run raises what the work raised. Ray would start a process again
    and again that fails at its start.
    """

    def __init__(self, work: "ray.ObjectRef[Work]", same: Sameness) -> None:
        self._error: bytes | None = None
        try:
            same.require()
            self._compute = ray.get(work).start(_nobody_watches)
        except Exception as error:  # noqa: BLE001  The run raises it.
            self._error = _packed(error)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """One row per part: what is made of it, as an Arrow stream, or why there is nothing."""
        parts = pl.DataFrame(batch).partition_by(_PART, maintain_order=True, include_key=False)
        made = [self._made(rows) for rows in parts]
        streams, errors = zip(*made, strict=True)
        kind = pa.large_binary()
        return pa.table({_MADE: pa.array(streams, kind), _ERROR: pa.array(errors, kind)})

    def _made(self, rows: pl.DataFrame) -> tuple[bytes | None, bytes | None]:
        if self._error is not None:
            return None, self._error
        try:
            return _streamed(self._compute(rows)), None
        except Exception as error:  # noqa: BLE001  The run raises it.
            return None, _packed(error)


def _packed(error: Exception) -> bytes:
    """An error with its traceback, and the node that it happened on."""
    error.add_note(f"This happened on the node {socket.gethostname()}.")
    packed: bytes = ray.cloudpickle.dumps((error, "".join(traceback.format_exception(error))))
    return packed


def _streamed(frame: pl.DataFrame) -> bytes:
    buffer = frame.write_ipc_stream(None)
    return buffer.getvalue()


def _nobody_watches(done: int) -> None:
    """The driver counts whole parts."""

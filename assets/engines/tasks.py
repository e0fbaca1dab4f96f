"""Fits and parts of fits as tasks of a Ray cluster."""

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor as Threads
from dataclasses import dataclass
from logging.handlers import QueueHandler
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, Self, TypeVar, cast

import ray

from assets.engines.cluster import connect
from assets.engines.sameness import Sameness
from models.catalogue.families import load_model
from models.data import Dataset
from models.parallel import Builders, jobs_of, noting
from models.protocol import Trainable

Answer = TypeVar("Answer")

_RETRIES = 3
"""Of a task whose node or process is lost. An error of the task itself is raised at once."""


@dataclass(frozen=True)
class RayTasks:
    """A `models.parallel.Executor` whose jobs are tasks of one core each.

    All jobs are begun at once. Where a node is lost, Ray does its jobs again on the others, and
    those whose answers lay there.

    Attributes:
        address: of the cluster; empty for one of this machine.
        same: what the nodes must have in common with this machine.
        gpus: that a task takes.
    """

    address: str
    same: Sameness
    gpus: int = 0

    def map(
        self,
        function: Callable[..., Answer],
        common: tuple[object, ...],
        jobs: Mapping[str, tuple[Any, ...]],
        pool: Threads | None = None,
    ) -> Iterator[Answer]:
        """See `Executor`. Each of the common arguments is in the object store once per node."""
        if not jobs:
            return iter(())
        connect(self.address)
        shared = [ray.put(argument) for argument in common]
        task = _call.options(num_gpus=self.gpus)
        begun = {
            name: task.remote(self.same, function, *shared, *job) for name, job in jobs.items()
        }
        return _Answers(begun)

    def fit_all(self, builders: Builders, dataset: Dataset) -> dict[str, Trainable]:
        """See `Executor`. The last builders are begun first, as by one machine."""
        begun = dict(reversed(jobs_of(builders).items()))
        files = list(self.map(_saved, (dataset,), begun))
        return {name: _loaded(saved) for name, saved in zip(builders, reversed(files), strict=True)}


@ray.remote(num_cpus=1, max_retries=_RETRIES)
def _call(
    same: Sameness, function: Callable[..., Answer], *arguments: Any
) -> tuple[Answer, list[logging.LogRecord]]:
    """The function's answer, and the warnings that it logged."""
    same.require()
    kept = _Kept(logging.WARNING)
    root = logging.getLogger()
    root.addHandler(kept)
    try:
        return function(*arguments), kept.records
    finally:
        root.removeHandler(kept)


class _Kept(logging.Handler):
    """Keeps log records in a form that can travel."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.records: list[logging.LogRecord] = []
        self._queued = QueueHandler(cast(Any, None))

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(self._queued.prepare(record))


class _Answers(Generic[Answer]):
    """Answers in the order of their jobs; jobs whose answers nobody takes any more are ended."""

    def __init__(self, begun: "dict[str, ray.ObjectRef[Any]]") -> None:
        self._waiting = begun

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Answer:
        if not self._waiting:
            raise StopIteration
        name = next(iter(self._waiting))
        try:
            with noting(name):
                answer, records = _result(self._waiting.pop(name))
        except BaseException:
            self.close()
            raise
        for record in records:
            logging.getLogger(record.name).handle(record)
        return cast(Answer, answer)

    def close(self) -> None:
        """Ends the jobs that are left."""
        while self._waiting:
            ray.cancel(self._waiting.popitem()[1], force=True)

    def __del__(self) -> None:
        if ray.is_initialized():
            self.close()


def _result(job: "ray.ObjectRef[Any]") -> Any:
    """What a job answers.

    Raises:
        Exception: what the job raised.
    """
    try:
        return ray.get(job)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error


def _saved(dataset: Dataset, build: Callable[[], Trainable]) -> dict[str, bytes]:
    """The files of a fitted model, by their paths below its folder."""
    with TemporaryDirectory(prefix="fit-") as name:
        folder = Path(name)
        build().fit(dataset).save(folder)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _loaded(files: Mapping[str, bytes]) -> Trainable:
    # Windows cannot delete what the model still maps.
    with TemporaryDirectory(prefix="fit-", ignore_cleanup_errors=True) as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return load_model(Path(folder))

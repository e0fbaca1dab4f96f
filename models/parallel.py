"""Where parts of a fit are done that need nothing of each other."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor as Threads
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

from joblib import Parallel, delayed

from models.data import Dataset
from models.protocol import Trainable

Answer = TypeVar("Answer")
Builders = Mapping[str, Callable[[], Trainable]]


class Executor(Protocol):
    """Does parts of a fit, in this process or in others. The answers are the same."""

    def map(
        self,
        function: Callable[..., Answer],
        common: tuple[object, ...],
        jobs: Mapping[str, tuple[Any, ...]],
        pool: Threads | None = None,
    ) -> Iterator[Answer]:
        """What a function answers to each job, in the order of the jobs.

        Args:
            function: of a module's top level; changes no argument.
            common: its first arguments, the same for all jobs.
            jobs: its further arguments, by a name that a note on an error gives.
            pool: threads of this process, for where the jobs are done here; without them they are
                done one after another, each once its answer is asked for.

        Raises:
            Exception: what the function raises.
        """
        ...

    def fit_all(self, builders: Builders, dataset: Dataset) -> dict[str, Trainable]:
        """Fits every model to a dataset.

        From another process a model comes back as it was saved, without its training curve.

        Args:
            builders: make unfitted models.
            dataset: what each is fitted to.

        Returns:
            Fitted models by name, in the order of the builders.
        """
        ...


@dataclass(frozen=True)
class OnThisMachine:
    """Jobs in this process, models in as many processes as are asked for.

    Attributes:
        processes: that fit models at the same time; with one, this process does.
    """

    processes: int = 1

    def map(
        self,
        function: Callable[..., Answer],
        common: tuple[object, ...],
        jobs: Mapping[str, tuple[Any, ...]],
        pool: Threads | None = None,
    ) -> Iterator[Answer]:
        """See `Executor`."""

        def answer(name: str, job: tuple[Any, ...]) -> Answer:
            with noting(name):
                return function(*common, *job)

        each = map if pool is None else pool.map
        return each(answer, jobs, jobs.values())

    def fit_all(self, builders: Builders, dataset: Dataset) -> dict[str, Trainable]:
        """See `Executor`.

        The last builders are begun first: a long fit that is begun last leaves the other processes
        idle.
        """
        if self.processes == 1:
            fitted = self.map(_fitted, (dataset,), jobs_of(builders))
            return dict(zip(builders, fitted, strict=True))
        # Windows cannot delete what the models still map.
        with TemporaryDirectory(prefix="fits-", ignore_cleanup_errors=True) as folder:
            homes = {name: Path(folder) / str(place) for place, name in enumerate(builders)}
            # Large arrays are mapped rather than sent; copies on write keep them writable for
            # torch.
            families = Parallel(n_jobs=self.processes, mmap_mode="c")(
                delayed(_fit_into)(homes[name], name, builders[name], dataset)
                for name in reversed(homes)
            )
            family_of = dict(zip(reversed(homes), families, strict=True))
            return {name: family_of[name].load(home) for name, home in homes.items()}


ONE_PROCESS = OnThisMachine()
"""All that is done is done by this process."""


def jobs_of(builders: Builders) -> dict[str, tuple[Callable[[], Trainable]]]:
    """A job per model."""
    return {_job(name): (build,) for name, build in builders.items()}


def _job(model: str) -> str:
    return f"the fit of {model}"


def _fit_into(
    folder: Path, name: str, build: Callable[[], Trainable], dataset: Dataset
) -> type[Trainable]:
    """Fits a model and saves it; returns its class, which loads it."""
    folder.mkdir()
    with noting(_job(name)):
        model = build().fit(dataset)
        model.save(folder)
    return type(model)


def _fitted(dataset: Dataset, build: Callable[[], Trainable]) -> Trainable:
    return build().fit(dataset)


@contextmanager
def noting(name: str) -> Iterator[None]:
    """Adds to an error of the block what it happened in."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This happened in {name}.")
        raise

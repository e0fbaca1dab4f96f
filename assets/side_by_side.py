"""Independent work of one asset, spread over processes."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from crossmodal.settings import Settings

Answer = TypeVar("Answer")


def processes_for(settings: Settings, n_jobs: int) -> int:
    """How many processes so many jobs are worth: one on a GPU, whose memory they would share."""
    from joblib import cpu_count

    from models.encoders.device import choose_device

    if choose_device(settings.device).type != "cpu":
        return 1
    return max(1, min(n_jobs, cpu_count()))


def side_by_side(
    function: Callable[..., Answer], jobs: Iterable[tuple[object, ...]], processes: int
) -> Iterator[Answer]:
    """What the function answers to each job, in the order of the jobs, each as soon as it is there.

    With one process this one does the work; with more, jobs and answers travel between processes,
    large arrays as mapped files.

    Args:
        function: of a module's top level.
        jobs: arguments of one call each; taken as processes become free.
        processes: that work at the same time.
    """
    from joblib import Parallel, delayed

    # Copies on write keep mapped arrays writable, which torch asks of what it wraps.
    workers = Parallel(
        n_jobs=processes, return_as="generator", mmap_mode="c", pre_dispatch="n_jobs"
    )
    yield from workers(delayed(function)(*job) for job in jobs)

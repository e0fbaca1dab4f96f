"""Work done by the machine of the run."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import polars as pl

from assets.engines.protocol import Progress, Work
from assets.side_by_side import processes_for, side_by_side
from crossmodal.settings import Settings

Answer = TypeVar("Answer")


class LocalEngine:
    """Frames by the run's own process, each as a whole; fits by a process per core.

    Args:
        settings: say on what device models are fitted.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def map_frames(
        self, work: Work, frames: Iterable[pl.DataFrame], rows: int, progress: Progress
    ) -> Generator[pl.DataFrame, None, None]:
        """See `Engine`; frames are read one at a time, and the first starts the work."""
        total = _Total(progress)
        compute = None
        for frame in frames:
            compute = compute or work.start(total.within)
            made = compute(frame)
            total.finish(frame.height)
            yield made

    def works_here(self, fits: int) -> bool:
        """See `Engine`."""
        return processes_for(self._settings, fits) == 1

    def fit(
        self,
        function: Callable[..., Answer],
        common: tuple[object, ...],
        fits: Mapping[str, tuple[Any, ...]],
    ) -> Iterator[Answer]:
        """See `Engine`."""
        jobs = [(name, function, *common, *further) for name, further in fits.items()]
        return side_by_side(_named, jobs, processes_for(self._settings, len(jobs)))

    def executor(self) -> None:
        """See `Engine`."""


def _named(name: str, function: Callable[..., Answer], *arguments: Any) -> Answer:
    from models.parallel import noting

    with noting(name):
        return function(*arguments)


class _Total:
    """Adds the progress of frame after frame up."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._before = 0

    def within(self, done: int) -> None:
        """Shows how much of the frame in hand is done."""
        self._progress(self._before + done)

    def finish(self, rows: int) -> None:
        """Goes on to the next frame."""
        self._before += rows
        self._progress(self._before)

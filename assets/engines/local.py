"""Work done by the run's own process."""

from collections.abc import Iterable, Iterator

import polars as pl

from assets.engines.protocol import Progress, Work


class LocalEngine:
    """Starts the work with the first frame, and takes each frame as a whole."""

    def map_frames(
        self, work: Work, frames: Iterable[pl.DataFrame], rows: int, progress: Progress
    ) -> Iterator[pl.DataFrame]:
        """See `Engine`; frames are read one at a time."""
        total = _Total(progress)
        compute = None
        for frame in frames:
            compute = compute or work.start(total.within)
            made = compute(frame)
            total.finish(frame.height)
            yield made


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

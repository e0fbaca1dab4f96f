"""What an engine can do, and what work it takes."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import polars as pl

Compute = Callable[[pl.DataFrame], pl.DataFrame]
"""Rows to rows, without memory of earlier calls."""

Progress = Callable[[int], None]
"""Called in the course of work with the number of rows that are done so far."""


class Work(Protocol):
    """Work that any process can do; it travels there with everything that it holds."""

    def start(self, progress: Progress) -> Compute:
        """Loads what the work needs, once per process that does it.

        Args:
            progress: called with the rows that are done of the frame in hand.
        """
        ...


class Engine(Protocol):
    """Does work on frames, in this process or in others."""

    def map_frames(
        self, work: Work, frames: Iterable[pl.DataFrame], rows: int, progress: Progress
    ) -> Iterator[pl.DataFrame]:
        """What is made of each frame, in their order.

        Args:
            work: what is done.
            frames: none is empty.
            rows: an engine may cut a frame into parts of so many rows, if what is made of these
                parts is together what is made of the whole.
            progress: called with the rows that are done of all frames.

        Yields:
            One frame per frame.
        """
        ...

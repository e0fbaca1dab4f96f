"""What an engine can do, and what work it takes."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import polars as pl

if TYPE_CHECKING:
    from models.parallel import Executor

Answer = TypeVar("Answer")

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
    """Does work on frames and fits, in this process or in others."""

    def map_frames(
        self, work: Work, frames: Iterable[pl.DataFrame], rows: int, progress: Progress
    ) -> Generator[pl.DataFrame, None, None]:
        """What is made of each frame, in their order.

        Args:
            work: what is done.
            frames: none is empty.
            rows: an engine may cut a frame into parts of so many rows, if what is made of these
                parts is together what is made of the whole.
            progress: called with the rows that are done of all frames.

        Yields:
            One frame per frame. Whoever takes no more of them closes the generator, so that nobody
            works on.
        """
        ...

    def works_here(self, fits: int) -> bool:
        """Whether this process does so many fits itself, and so can show how far each is."""
        ...

    def fit(
        self,
        function: Callable[..., Answer],
        common: tuple[object, ...],
        fits: Mapping[str, tuple[Any, ...]],
    ) -> Iterator[Answer]:
        """What a function answers to each fit, in their order, each as soon as it is there.

        Args:
            function: of a module's top level. A lost process does a fit again, so that it must not
                matter if it is done twice.
            common: its first arguments, the same for all fits.
            fits: its further arguments, by a name that a note on an error gives.

        Raises:
            Exception: what the function raises.
        """
        ...

    def executor(self) -> "Executor | None":
        """Does parts of one fit; None for what a model does without one."""
        ...

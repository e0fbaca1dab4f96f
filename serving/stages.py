"""An answer in stages, each with a time of its own: what fails or is late is done without."""

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

from crossmodal.settings import Settings
from serving.metrics import Metrics

_log = logging.getLogger(__name__)

StageName = Literal["last event", "user state", "ranking", "diversity", "reasons", "features"]
STAGES: tuple[StageName, ...] = get_args(StageName)
Why = Literal["failed", "late"]

FAILURES = (
    ArithmeticError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    sqlite3.Error,
)
"""What a model, a store or a log can end in while an answer is made."""

_THREADS = 4
_SHORTEST_WAIT = 0.005
"""Seconds between two looks at the steps: a budget of nothing must not keep the loop busy."""


@dataclass(frozen=True)
class Step:
    """One stage of an answer.

    Attributes:
        stage: its name in `/metrics` and in the settings.
        find: makes it. It changes nothing, since nobody can stop it once it is late.
        keep: takes what `find` found, unless it came too late. It is quick, and never fails.
        otherwise: does what can be done without it; None where there is nothing to do.
        needed: whether the steps after it are in vain where it was missed.
    """

    stage: StageName
    find: Callable[[], Any]
    keep: Callable[[Any], None]
    otherwise: Callable[[], None] | None = None
    needed: bool = False


@dataclass(frozen=True)
class _Instant:
    """A step that began: its place among all, its stage, and when."""

    place: int
    stage: StageName
    since: float


class _Progress:
    """Where some steps are: written by the thread that walks them, read by the one that waits."""

    def __init__(self, first: StageName) -> None:
        self.at = _Instant(0, first, time.perf_counter())
        self.missed: list[StageName] = []
        self._given_up = False
        self._lock = threading.Lock()

    def begin(self, place: int, stage: StageName) -> None:
        """Notes that a step begins."""
        self.at = _Instant(place, stage, time.perf_counter())

    def while_awaited(self, change: Callable[[], None]) -> bool:
        """Changes the answer; False, and nothing changed, where nobody waits any more."""
        with self._lock:
            if not self._given_up:
                change()
            return not self._given_up

    def give_up(self) -> int:
        """Tells the thread that nobody waits any more; returns the step it is in."""
        with self._lock:
            self._given_up = True
            return self.at.place


class Stages:
    """Walks through the steps of answers in a few threads, and waits no longer than it may.

    A thread cannot be stopped: one that is late goes on alone, and what it finds is dropped, while
    another does the steps after it. While all of them are late, steps that wait for one are late
    too, and answers are made without.

    Args:
        budgets: seconds of each stage, the wait for a thread included.
        metrics: get how long each took, and of what was missed.
        name: of the threads.
        threads: how many.
    """

    def __init__(
        self,
        budgets: Mapping[StageName, float],
        metrics: Metrics,
        name: str = "answers",
        threads: int = _THREADS,
    ) -> None:
        self._budgets, self._metrics = budgets, metrics
        # Known from the start, so that a rate over them does not miss the first that is missed.
        for stage in budgets:
            for why in get_args(Why):
                metrics.missed.labels(stage, why)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def walk(self, steps: Sequence[Step]) -> tuple[StageName, ...]:
        """Does the steps in their order; returns the stages that failed or were late."""
        missed: list[StageName] = []
        while steps:
            progress = _Progress(steps[0].stage)
            late = await self._late_step(steps, progress)
            missed += progress.missed
            if late is None:
                break
            # What the thread goes on to find is dropped; another thread does the steps after it.
            missed.append(steps[late].stage)
            self._miss(steps[late], "late", None)
            steps = () if steps[late].needed else steps[late + 1 :]
        return tuple(missed)

    async def _late_step(self, steps: Sequence[Step], progress: _Progress) -> int | None:
        """Waits for the steps; returns the place of one that took too long, None once all ended."""
        work = self._threads.submit(self._do, steps, progress)
        waiting = asyncio.wrap_future(work)
        # A step that begins meanwhile may have less time than the one that is waited for.
        shortest = max(_SHORTEST_WAIT, min(self._budgets[step.stage] for step in steps))
        while not waiting.done():
            at = progress.at
            left = at.since + self._budgets[at.stage] - time.perf_counter()
            if left <= 0:
                work.cancel()
                return progress.give_up()
            await asyncio.wait((waiting,), timeout=min(left, shortest))
        waiting.result()
        return None

    def close(self) -> None:
        """Begins nothing more; waits for nobody, since a stage that hangs never ends."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _do(self, steps: Sequence[Step], progress: _Progress) -> None:
        """Does the steps in their order, until nobody waits any more or a needed one fails."""
        for place, step in enumerate(steps):
            progress.begin(place, step.stage)
            try:
                with self._metrics.stage(step.stage):
                    result = step.find()
            except FAILURES as error:
                failed = partial(self._failed, progress, step, error)
                if not progress.while_awaited(failed) or step.needed:
                    return
            else:
                if not progress.while_awaited(partial(step.keep, result)):
                    return

    def _failed(self, progress: _Progress, step: Step, error: BaseException) -> None:
        progress.missed.append(step.stage)
        self._miss(step, "failed", error)

    def _miss(self, step: Step, why: Why, error: BaseException | None) -> None:
        """Counts and logs a missed step, and does what stands in for it."""
        self._metrics.missed.labels(step.stage, why).inc()
        _log.error("The stage %s %s; the answer does without.", step.stage, why, exc_info=error)
        if step.otherwise is None:
            return
        try:
            step.otherwise()
        except FAILURES:
            _log.exception("What stands in for the stage %s failed too.", step.stage)


def budgets_of(settings: Settings) -> dict[StageName, float]:
    """Seconds that each stage may take."""
    return {
        "last event": settings.serve_user_state_seconds,
        "user state": settings.serve_user_state_seconds,
        "ranking": settings.serve_ranking_seconds,
        "diversity": settings.serve_diversity_seconds,
        "reasons": settings.serve_reasons_seconds,
        "features": settings.serve_features_seconds,
    }

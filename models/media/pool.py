"""Decoding in processes of their own, ahead of whoever uses the result.

A file that hangs, crashes or bloats its decoder costs one process, which is killed and replaced.
"""

import logging
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

from models.media.limits import MediaError, MediaLimits
from models.media.wire import Payload, receive, send

_LOG = logging.getLogger(__name__)
_PROJECT = Path(__file__).resolve().parents[2]
# Not multiprocessing: its children import the parent's main module, which may be all of Dagster.
_PROGRAM = (
    f"import sys; sys.path.insert(0, {str(_PROJECT)!r}); "
    "from models.media.worker import main; main()"
)
_START_SECONDS = 120.0

Key = TypeVar("Key")


class WorkerStartError(RuntimeError):
    """A decoding process does not start."""


class _GoneError(Exception):
    """A process gave no answer.

    Args:
        late: whether it was killed for taking too long.
    """

    def __init__(self, late: bool) -> None:
        super().__init__(late)
        self.late = late


class DecodePool:
    """Worker processes that decode files below one root.

    Example:
        >>> with DecodePool(root, MediaLimits(), workers=2) as pool:
        ...     for key, found in pool.map("inspect", [("1", "a.png")], {"modality": "image"}):
        ...         ...
    """

    def __init__(self, root: Path, limits: MediaLimits, workers: int, prefetch: int = 64) -> None:
        """Prepares the pool; processes start with the first file.

        Args:
            root: no file outside it is opened.
            limits: bounds of each file.
            workers: number of processes.
            prefetch: most results that wait for their reader.
        """
        self._workers = [_Worker(root, limits) for _ in range(workers)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._prefetch = max(prefetch, workers)

    def __enter__(self) -> Self:
        for worker in self._workers:
            self._idle.put(worker)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.stop()
        self._threads.shutdown(wait=True)

    def map(
        self, task: str, items: Iterable[tuple[Key, str]], options: dict[str, Any] | None = None
    ) -> Iterator[tuple[Key, Payload | MediaError]]:
        """Runs a task of `models.media.tasks` on files, in the order of `items`.

        Args:
            task: its name.
            items: keys and paths relative to the root.
            options: the task's own.

        Yields:
            Each key with what was found, or with the error that says why nothing was.
        """
        waiting: deque[tuple[Key, Future[Payload | MediaError]]] = deque()
        try:
            for key, uri in items:
                waiting.append((key, self._threads.submit(self._run, task, uri, options or {})))
                if len(waiting) >= self._prefetch:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()

    def _run(self, task: str, uri: str, options: dict[str, Any]) -> Payload | MediaError:
        worker = self._idle.get()
        try:
            return worker.run({"task": task, "uri": uri, "options": options})
        finally:
            self._idle.put(worker)


class _Worker:
    """One process, started when it is needed and again after it was killed."""

    def __init__(self, root: Path, limits: MediaLimits) -> None:
        self._opening = {"root": str(root.resolve()), "limits": asdict(limits)}
        self._timeout = limits.timeout_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def run(self, request: dict[str, Any]) -> Payload | MediaError:
        """The answer. Where a process that has worked before is gone, the file is tried again.

        Something else may have ended it, which is not to be blamed on the file.
        """
        process = self._process
        if process is not None:
            try:
                return self._ask(process, request)
            except _GoneError as gone:
                if gone.late or self._stopped:
                    return self._give_up(process, request["uri"], gone.late)
                self._forget(process)
        process = self._start()
        try:
            return self._ask(process, request)
        except _GoneError as gone:
            return self._give_up(process, request["uri"], gone.late)

    def _ask(
        self, process: "subprocess.Popen[bytes]", request: dict[str, Any]
    ) -> Payload | MediaError:
        """The answer of a process.

        Raises:
            _GoneError: it has ended, or took too long and was killed.
        """
        late = threading.Event()
        timer = threading.Timer(self._timeout, _kill, (process, late))
        timer.daemon = True
        timer.start()
        try:
            answer = _exchange(process, request)
        except (EOFError, OSError) as error:
            raise _GoneError(late.is_set()) from error
        finally:
            timer.cancel()
        failed = answer.facts.get("failed")
        return answer if failed is None else MediaError(failed)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            process, self._process = self._process, None
        if process is not None:
            _end(process)

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._lock:
            if self._stopped:
                raise WorkerStartError("The decoding pool is closed.")
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            self._process = process
        timer = threading.Timer(_START_SECONDS, process.kill)
        timer.daemon = True
        timer.start()
        try:
            _exchange(process, self._opening)
        except (EOFError, OSError) as error:
            self._forget(process)
            raise WorkerStartError(
                "A decoding process does not start; its own message is above."
            ) from error
        finally:
            timer.cancel()
        return process

    def _give_up(self, process: "subprocess.Popen[bytes]", uri: str, late: bool) -> MediaError:
        """Ends a process that gave no answer; returns what is wrong with its file."""
        code = self._forget(process)
        if late:
            reason = f"The file took more than {self._timeout:g} s to decode."
        else:
            reason = f"The file crashed its decoder (exit code {code})."
        if not self._stopped:
            _LOG.warning("%s: %s", uri, reason)
        return MediaError(reason)

    def _forget(self, process: "subprocess.Popen[bytes]") -> int:
        """Ends a process, so that the next file starts another; returns its exit code."""
        with self._lock:
            if self._process is process:
                self._process = None
        return _end(process)


def _exchange(process: "subprocess.Popen[bytes]", facts: dict[str, Any]) -> Payload:
    if process.stdin is None or process.stdout is None:
        raise EOFError("the process has no pipes")
    send(process.stdin, facts)
    return receive(process.stdout)


def _kill(process: "subprocess.Popen[bytes]", late: threading.Event) -> None:
    late.set()
    process.kill()


def _end(process: "subprocess.Popen[bytes]") -> int:
    process.kill()
    code = process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                _LOG.debug("a killed worker's pipe held unsent bytes")
    return code

"""A decoding process: reads one request after another from its input, until that is closed."""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import IO, Any

from models.media.limits import MediaError, MediaLimits
from models.media.tasks import TASKS
from models.media.wire import receive, send

_NICENESS = 5


def main() -> None:
    """Serves requests; an error that is no `MediaError` ends the process, and its owner sees it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        # The encoder's threads wait for each other: one that loses its core to a decoder stops all.
        os.nice(_NICENESS)
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    _silence_codecs()
    try:
        opening = receive(requests).facts
        limits = MediaLimits(**opening["limits"])
        bound_memory(limits.memory_budget)
        send(answers, {"ready": True})
        while True:
            request = receive(requests).facts
            _answer(answers, Path(opening["root"]), limits, request)
    except (EOFError, BrokenPipeError):
        # The owner is gone, and with it the reader of anything still buffered.
        os._exit(0)


def _silence_codecs() -> None:
    """What codecs print would garble the answers or scroll by; Python's own errors still show."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    logging.getLogger("PIL").setLevel(logging.CRITICAL)


def _answer(answers: IO[bytes], root: Path, limits: MediaLimits, request: dict[str, Any]) -> None:
    try:
        found = TASKS[request["task"]](root, request["uri"], limits, request["options"])
    except MediaError as error:
        send(answers, {"failed": str(error)})
        return
    send(answers, found.facts, found.arrays)


def bound_memory(budget: int) -> None:
    """Lets this process allocate `budget` bytes more than it has, where the platform can."""
    held = Path("/proc/self/statm")
    if not held.is_file():
        return
    import resource

    pages = int(held.read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + budget
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))

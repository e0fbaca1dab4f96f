"""Signals that ask a process to end, and the processes that must end with it."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

import psutil

Handler = Callable[[int, FrameType | None], object]

ENDING: tuple[signal.Signals, ...] = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
)
"""From a terminal (Ctrl-C, or closing it) or a supervisor such as systemd."""

SERVICE_SECONDS = 15.0
"""The service's processes may take so long to end, after their requests, which have their own."""

UI_SECONDS = 20.0
"""Dagster's processes may."""

RUN_SECONDS = 30.0
"""A run may: what cannot be interrupted, such as a library's own fit, goes on meanwhile."""


@contextmanager
def on_ending(handler: Handler) -> Iterator[None]:
    """Calls the handler on each signal that asks the process to end, for the block.

    A signal that was ignored stays ignored: what `nohup` starts outlives its terminal. Only the
    main thread can handle signals; in another, the block runs as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signum: signal.getsignal(signum) for signum in ENDING}
    before = {signum: known for signum, known in before.items() if known is not signal.SIG_IGN}
    for signum in before:
        signal.signal(signum, handler)
    try:
        yield
    finally:
        for signum, known in before.items():
            signal.signal(signum, known)


def end_all(processes: Iterable[psutil.Process], seconds: float) -> bool:
    """Waits for processes to end, and kills those that have not; whether none had to be killed."""
    _, left = psutil.wait_procs(list(processes), timeout=seconds)
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, timeout=seconds)
    return not left

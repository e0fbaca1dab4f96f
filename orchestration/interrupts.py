"""A run that a signal ends: as by Ctrl-C, whichever signal it is, and within a set time."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType

import psutil

from crossmodal.ending import ENDING, RUN_SECONDS, Handler, on_ending
from crossmodal.paths import StatePaths


@dataclass
class Interruption:
    """Which signal asked a run to end; 0 for none.

    Attributes:
        number: of the first one.
    """

    number: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def exit_code(self) -> int:
        """As shells report it: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self.number or signal.SIGINT)


@contextmanager
def interruptible(paths: StatePaths) -> Iterator[Interruption]:
    """Raises KeyboardInterrupt in the block on SIGINT, SIGTERM and SIGHUP.

    Python's own handlers wait while a library computes. A thread hears of the signal from the
    system itself: if the work does not end in time, it ends the process and all its children.

    Args:
        paths: of the home whose run is then recorded as canceled.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    watch = threading.Thread(target=_watch, args=(reading, interruption, paths), daemon=True)
    watch.start()
    try:
        with _on_every_ending_signal(_handler()):
            yield interruption
    finally:
        signal.set_wakeup_fd(before)
        writing.close()
        if not interruption.number:
            interruption._over.set()
            watch.join()
            reading.close()


def _handler() -> Handler:
    sigint_was_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN

    def interrupt(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and sigint_was_ignored:
            return
        if number in (signal.SIGINT, signal.SIGTERM):
            raise KeyboardInterrupt
        # Dagster takes over SIGINT and SIGTERM only, while it executes; any other signal is raised
        # again as SIGTERM.
        signal.raise_signal(signal.SIGTERM)

    return interrupt


@contextmanager
def _on_every_ending_signal(handler: Handler) -> Iterator[None]:
    """Has the handler called on every signal that asks a run to end, for the block.

    The order matters:

    1. `_handler` notes whether SIGINT is ignored, as it is in a shell's background job; if so, the
       handler does nothing on it.
    2. SIGINT gets the handler here, as Dagster copies SIGINT's to SIGTERM: the run would ignore
       both.
    3. `on_ending` sets the others and leaves ignored ones alone.
    """
    before = signal.signal(signal.SIGINT, handler)
    try:
        with on_ending(handler):
            yield
    finally:
        signal.signal(signal.SIGINT, before)


def _watch(reading: socket.socket, interruption: Interruption, paths: StatePaths) -> None:
    while numbers := reading.recv(64):
        endings = [number for number in numbers if number in ENDING]
        if endings:
            interruption.number = endings[0]
            if not interruption._over.wait(RUN_SECONDS):
                _give_up(paths, interruption.exit_code)
            return


def _give_up(paths: StatePaths, code: int) -> None:
    """Ends the process, which goes on although it was asked to end."""
    from orchestration.instance import cancel_unfinished, open_instance

    try:
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
        with open_instance(paths) as instance:
            cancel_unfinished(instance)
        print(
            f"Interrupted, and ended after {RUN_SECONDS:g} s; run again to go on from here.",
            file=sys.stderr,
            flush=True,
        )
    finally:
        os._exit(code)

"""The processes of the service on one socket: kept alive, ended together, and given up in time."""

import logging
import signal
import socket
import time

import psutil
import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from crossmodal.ending import SERVICE_SECONDS, end_all

_log = logging.getLogger(__name__)

_MOST_FAILED_STARTS = 3
_LOOK_SECONDS = 0.2
_END = {True: "was killed", False: "ended"}


def ending_seconds(config: uvicorn.Config) -> float:
    """How long after a signal a process may take to end before it is killed."""
    return (config.timeout_graceful_shutdown or SERVICE_SECONDS) + SERVICE_SECONDS


class Supervisor(Multiprocess):
    """Starts a process again that died or hangs; where none begins to serve any more, it ends all.

    What a signal of somebody else has ended, the kernel's where memory is short among them, is
    started again for ever: it says nothing of whether the service can start.

    Args:
        config: of each process.
        listening: the socket that they share.

    Attributes:
        gave_up: whether it ended because processes failed at their start.
        killed: whether some did not end in time.
    """

    def __init__(self, config: uvicorn.Config, listening: socket.socket) -> None:
        outlives = hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        super().__init__(config, sockets=[listening])
        if outlives:
            # What `nohup` started outlives its terminal.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.gave_up = self.killed = False
        self._failed_starts = 0
        self._family: list[psutil.Process] = []
        self._served: set[int | None] = set()

    def handle_hup(self) -> None:
        """A closed terminal ends the service, as Ctrl-C does."""
        self.should_exit.set()

    def keep_subprocess_alive(self) -> None:
        """Looks at every process once, and starts those again that died or hang."""
        for place, process in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if self._serves(process):
                continue
            ended = process.process.exitcode
            process.kill()
            process.join()
            self._count(process, by_signal=ended is not None and ended < 0)
            if not self.should_exit.is_set():
                again = Process(self.config, self.sockets)
                again.start()
                self.processes[place] = again

    def join_all(self) -> None:
        """Waits for all processes and what they started; kills what does not end in time."""
        self.killed = not end_all(self._family, ending_seconds(self.config))
        if self.killed:
            _log.error("Processes that did not end in time were killed.")
        super().join_all()

    def terminate_all(self) -> None:
        """Asks all processes to end."""
        # Listed first, since the children of a process that has ended cannot be found.
        self._family = [child for process in self.processes for child in _family(process)]
        for process in self.processes:
            if process.pid not in self._served and not process.is_ready(timeout=1):
                # It has taken no request yet, and would not look at a signal before it is ready.
                process.kill()
        super().terminate_all()

    def _serves(self, process: Process) -> bool:
        """Whether a process lives and answers; one that has begun to serve clears the count."""
        serving = _answer(process, self.config.timeout_worker_healthcheck)
        if serving and process.pid not in self._served:
            self._served.add(process.pid)
            self._failed_starts = 0
        return serving is not None

    def _count(self, process: Process, *, by_signal: bool) -> None:
        """Counts a process that ended before it served, unless somebody else ended it."""
        if process.pid in self._served:
            self._served.discard(process.pid)
            _log.warning("A process of the service ended; another one is started.")
            return
        _log.error("A process of the service %s before it served.", _END[by_signal])
        if by_signal:
            return
        if self._another_serves(process):
            # As long as one answers, the service is worth more than its end.
            self._failed_starts = 0
            return
        self._failed_starts += 1
        if self._failed_starts >= _MOST_FAILED_STARTS:
            self.gave_up = True
            self.should_exit.set()

    def _another_serves(self, process: Process) -> bool:
        others = (other for other in self.processes if other is not process)
        return any(other.pid in self._served and other.process.is_alive() for other in others)


def _answer(process: Process, seconds: float) -> bool | None:
    """Whether a process serves already; None where it is dead, or says nothing in time.

    Uvicorn's own question waits the whole time for a process that has died since it was asked:
    both ends of the pipe are open in this one, so that nothing ends.
    """
    end = time.monotonic() + seconds
    try:
        process.parent_conn.send(b"ping")
        while process.process.is_alive() and time.monotonic() < end:
            if process.parent_conn.poll(_LOOK_SECONDS):
                return bool(process.parent_conn.recv())
    except (OSError, EOFError):
        return None
    return None


def _family(process: Process) -> list[psutil.Process]:
    """A process and all that it started."""
    try:
        first = psutil.Process(process.pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []

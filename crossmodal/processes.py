"""Which process left a mark somewhere, and whether it is still there."""

import os
from dataclasses import dataclass
from functools import cache
from typing import Self

import psutil

_APART_SECONDS = 2.0
"""The system rounds the time of its start to seconds."""


@dataclass(frozen=True)
class ProcessMark:
    """A process, by what no other has: its number is given to others once it has ended.

    Attributes:
        pid: its number.
        began: when it began, in seconds since the system did, which no change of the clock alters.
    """

    pid: int
    began: float

    @classmethod
    def of_this_process(cls) -> Self:
        """The mark of the process that asks."""
        pid = os.getpid()
        return cls(pid, _began(pid))

    def lives(self) -> bool:
        """Whether the process is still there, and not another one that was given its number."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return abs(_since_boot(process) - self.began) < _APART_SECONDS
        except psutil.NoSuchProcess:
            return False
        except psutil.Error:
            return True


@cache
def _began(pid: int) -> float:
    return _since_boot(psutil.Process(pid))


def _since_boot(process: psutil.Process) -> float:
    # Both move with the clock, and their difference does not.
    began: float = process.create_time() - psutil.boot_time()
    return round(began, 2)

"""Kills processes of a platform at random instants."""

import random
import threading
import time
from dataclasses import dataclass

import psutil

from benchmarks.nights.platform import Platform
from orchestration.services.places import ServicesError


@dataclass(frozen=True)
class Kill:
    """One kill: what was killed, and how many seconds after the night's begin."""

    what: str
    after_s: float


class Killer(threading.Thread):
    """Kills so many processes, one after another, each at a random instant.

    Which one is drawn among those that live at that instant: the daemon, the web server, the
    command `crossmodal ui` that keeps both, the service, and the run, if one works.

    Args:
        platform: whose processes these are.
        draw: of instants and processes.
        kills: how many.
        most_seconds: between two kills.
    """

    def __init__(
        self, platform: Platform, draw: random.Random, kills: int, most_seconds: float
    ) -> None:
        super().__init__(daemon=True)
        self._platform, self._draw = platform, draw
        self._kills, self._most_seconds = kills, most_seconds
        self.done: list[Kill] = []

    def run(self) -> None:
        """Kills until all are done."""
        began = time.monotonic()
        while len(self.done) < self._kills:
            time.sleep(self._draw.uniform(0, self._most_seconds))
            what = self._kill_one()
            if what is not None:
                self.done.append(Kill(what, round(time.monotonic() - began, 1)))
                print(f"  killed: {what} after {self.done[-1].after_s:.0f} s", flush=True)

    def _kill_one(self) -> str | None:
        try:
            living = self._platform.pids()
            what = self._draw.choice(sorted(living))
            psutil.Process(living[what]).kill()
        except (psutil.NoSuchProcess, ServicesError, IndexError):
            # It has just ended by itself, or nothing lives at this instant.
            return None
        return what

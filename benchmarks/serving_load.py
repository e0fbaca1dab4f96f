"""Constant load on a server, and the servers that the benchmarks of serving start."""

import asyncio
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import aiohttp
import httpx
import numpy as np
import psutil
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from assets.source_listing import source_of
from crossmodal.workspace import Workspace

K = 20
SEED = 42
_WARM_UP_SECONDS = 5
_CONNECTIONS = 256
_PATIENCE_SECONDS = 30
_AN_HOUR = 3600

Ask = Callable[[aiohttp.ClientSession, random.Random], Awaitable[int]]
"""Makes one request and reads the whole answer; returns its status."""


@dataclass(frozen=True)
class Load:
    """What a load found.

    Attributes:
        latencies: (n,) milliseconds from when a request was due.
        errors: requests that were not answered with 200.
        seconds: from the first request to the last answer.
    """

    latencies: np.ndarray
    errors: int
    seconds: float

    def figures(self, prefix: str = "") -> dict[str, float]:
        """The figures of the table."""
        p50, p99 = np.percentile(self.latencies, [50, 99]).round(2).tolist()
        return {
            f"{prefix}p50_ms": p50,
            f"{prefix}p99_ms": p99,
            f"{prefix}rps": round(len(self.latencies) / self.seconds, 1),
            f"{prefix}errors": self.errors,
        }


async def load(url: str, ask: Ask, rate: float, seconds: float) -> Load:
    """Requests at a constant rate, after a short load that does not count."""
    draw, patience = random.Random(SEED), aiohttp.ClientTimeout(total=_PATIENCE_SECONDS)
    connections = aiohttp.TCPConnector(limit=_CONNECTIONS)
    # Of the clients at hand this one takes least of the cores that it shares with the server.
    async with aiohttp.ClientSession(url, connector=connections, timeout=patience) as session:
        await _sent(session, ask, rate, _WARM_UP_SECONDS, draw)
        return await _sent(session, ask, rate, seconds, draw)


async def _sent(
    session: aiohttp.ClientSession, ask: Ask, rate: float, seconds: float, draw: random.Random
) -> Load:
    begun = time.perf_counter()
    due = [begun + place / rate for place in range(int(rate * seconds))]

    async def one(instant: float) -> tuple[float, bool]:
        await asyncio.sleep(max(0.0, instant - time.perf_counter()))
        try:
            good = await ask(session, draw) == HTTPStatus.OK
        except (aiohttp.ClientError, TimeoutError):
            good = False
        return (time.perf_counter() - instant) * 1000, good

    answers = await asyncio.gather(*map(one, due))
    latencies = np.array([latency for latency, _ in answers])
    errors = sum(not good for _, good in answers)
    return Load(latencies, errors, time.perf_counter() - begun)


def lists(users: Sequence[str], diversity: float) -> Ask:
    async def ask(session: aiohttp.ClientSession, draw: random.Random) -> int:
        query = {"k": K, "diversity": diversity}
        path = f"/v1/users/{quote(draw.choice(users), safe='')}/recommendations"
        async with session.get(path, params=query) as answer:
            await answer.read()
            return answer.status

    return ask


def users_of(workspace: Workspace) -> list[str]:
    events = source_of(workspace).interactions().frame.select("user_id").unique().sort("user_id")
    return events.collect()["user_id"].to_list()


Command = Callable[[int], tuple[list[str], dict[str, str]]]
"""What starts a server on a port: words, and what the environment has in addition to its own."""


def ours(
    workspace: Workspace, workers: int, settings: Mapping[str, str] = MappingProxyType({})
) -> Command:
    home = {"CROSSMODAL_HOME": str(workspace.paths.home), **settings}
    words = [sys.executable, "-m", "orchestration.cli", "serve", "--workers", str(workers)]
    return lambda port: ([*words, "--port", str(port)], home)


def feast(workspace: Workspace, workers: int) -> Command:
    """Feast's own server, tuned as its documentation says: workers, and no look at the registry.

    Precomputed vectors of a service would be the next step; no SQLite store of Feast keeps any.
    """
    program = str(Path(sys.executable).with_name("feast"))
    repo = str(workspace.paths.feast)
    return lambda port: (
        [
            *(program, "-c", repo, "serve", "-p", str(port), "--no-access-log"),
            *("--workers", str(workers), "--registry_ttl_sec", str(_AN_HOUR)),
        ],
        {"FEAST_USAGE": "False"},
    )


@dataclass(frozen=True)
class Server:
    """A server that answers: where, and its first process."""

    url: str
    pid: int


@contextmanager
def copied_home(home: Path) -> Iterator[Path]:
    """A copy of a home, for what reports events and items to it that nobody meant."""
    with TemporaryDirectory(prefix="home-") as folder:
        copied = Path(folder) / "home"
        shutil.copytree(home, copied)
        yield copied


@dataclass(frozen=True)
class Held:
    """What the processes of a server hold: bytes of memory, and open files."""

    rss: int
    files: int


def held_by(pid: int) -> Held:
    """What a process and all its descendants hold."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return Held(
        sum(process.memory_info().rss for process in family),
        sum(process.num_fds() for process in family),
    )


@contextmanager
def server(command: Command, probe: str) -> Iterator[Server]:
    """A server on a free port, from its first good answer to the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words, extra = command(port)
    process = subprocess.Popen(words, env={**os.environ, **extra}, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        answering(f"{url}{probe}")
        yield Server(url, process.pid)
    finally:
        process.terminate()
        process.wait(60)


@retry(
    retry=retry_if_exception_type(httpx.HTTPError),
    stop=stop_after_delay(180),
    wait=wait_fixed(0.2),
    reraise=True,
)
def answering(url: str) -> Any:
    return httpx.get(url, timeout=30).raise_for_status()

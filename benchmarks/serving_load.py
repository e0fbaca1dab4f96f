"""Constant load on a server, and the servers that the benchmarks of serving start."""

import asyncio
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from assets.ingestion import source_of
from crossmodal.workspace import Workspace

K = 20
SEED = 42
_WARM_UP_SECONDS = 5

Ask = Callable[[httpx.AsyncClient, random.Random], Awaitable[httpx.Response]]


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
    limits = httpx.Limits(max_connections=256, max_keepalive_connections=256)
    draw = random.Random(SEED)
    async with httpx.AsyncClient(base_url=url, timeout=30, limits=limits) as client:
        await _sent(client, ask, rate, _WARM_UP_SECONDS, draw)
        return await _sent(client, ask, rate, seconds, draw)


async def _sent(
    client: httpx.AsyncClient, ask: Ask, rate: float, seconds: float, draw: random.Random
) -> Load:
    begun = time.perf_counter()
    due = [begun + place / rate for place in range(int(rate * seconds))]

    async def one(instant: float) -> tuple[float, bool]:
        await asyncio.sleep(max(0.0, instant - time.perf_counter()))
        try:
            good = (await ask(client, draw)).status_code == 200
        except httpx.HTTPError:
            good = False
        return (time.perf_counter() - instant) * 1000, good

    answers = await asyncio.gather(*map(one, due))
    latencies = np.array([latency for latency, _ in answers])
    errors = sum(not good for _, good in answers)
    return Load(latencies, errors, time.perf_counter() - begun)


def lists(users: Sequence[str], diversity: float) -> Ask:
    async def ask(client: httpx.AsyncClient, draw: random.Random) -> httpx.Response:
        query = {"k": K, "diversity": diversity}
        return await client.get(f"/v1/users/{draw.choice(users)}/recommendations", params=query)

    return ask


def users_of(workspace: Workspace) -> list[str]:
    events = source_of(workspace).interactions().frame.select("user_id").unique().sort("user_id")
    return events.collect()["user_id"].to_list()


Command = Callable[[int], tuple[list[str], dict[str, str]]]
"""What starts a server on a port: words, and what the environment has beside its own."""


def ours(workspace: Workspace, workers: int) -> Command:
    home = {"CROSSMODAL_HOME": str(workspace.paths.home)}
    words = [sys.executable, "-m", "orchestration.cli", "serve", "--workers", str(workers)]
    return lambda port: ([*words, "--port", str(port)], home)


def feast(workspace: Workspace) -> Command:
    program = str(Path(sys.executable).with_name("feast"))
    settings = str(workspace.paths.feast / "feature_store.yaml")
    return lambda port: (
        [program, "-f", settings, "serve", "-p", str(port), "--no-access-log"],
        {"FEAST_USAGE": "False"},
    )


@dataclass(frozen=True)
class Server:
    """A server that answers: where, and its first process."""

    url: str
    pid: int


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

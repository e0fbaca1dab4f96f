"""The online service under a constant rate of requests, beside Feast's own feature server.

    python -m benchmarks.serving [--home HOME] [--rate 100] [--seconds 60]

The load is open-loop: a request starts when it is due, whether or not those before it were
answered, and its latency counts from then. The load generator shares the machine with the servers.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from assets.ingestion import source_of
from benchmarks.quality.results import commit
from benchmarks.quality.tables import machine
from crossmodal.atomic import atomic_write_bytes
from crossmodal.pseudonyms import load_key, pseudonym
from crossmodal.settings import load_settings
from crossmodal.workspace import Workspace

OUT = Path(__file__).parent / "out" / "serving.json"
_K = 20
_WARM_UP_SECONDS = 5
_EVENTS = 200
_SEED = 42

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


def main() -> int:
    """Runs the benchmark from the command line; 1 where a request failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, help="a state folder that a run has filled")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each load")
    parser.add_argument("--diversity", type=float, default=0.3)
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    workspace = Workspace(load_settings(home=chosen.home))
    users = _users(workspace)
    with _server(_ours(workspace), "/readyz") as url:
        ask = _lists(users, chosen.diversity)
        ours = asyncio.run(_load(url, ask, chosen.rate, chosen.seconds))
        events = asyncio.run(_events(url, users))
    with _server(_feast(workspace), "/health") as url:
        peer = asyncio.run(
            _load(url, _feature_look_ups(workspace, users), chosen.rate, chosen.seconds)
        )
    result = {
        **ours.figures(),
        "seconds": chosen.seconds,
        **peer.figures("feast_"),
        "event_to_rec_p99_ms": round(float(np.percentile(events, 99)), 2),
        "rate": chosen.rate,
        "items": workspace.lake.version("items").rows,
        **machine(),
        "date": date.today().isoformat(),
        "commit": commit(),
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(chosen.out, f"{json.dumps(result, indent=1)}\n".encode())
    for name, value in result.items():
        print(f"{name}: {value}")
    return 1 if ours.errors or peer.errors else 0


async def _load(url: str, ask: Ask, rate: float, seconds: float) -> Load:
    """Requests at a constant rate, after a short load that does not count."""
    limits = httpx.Limits(max_connections=256, max_keepalive_connections=256)
    draw = random.Random(_SEED)
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


def _lists(users: Sequence[str], diversity: float) -> Ask:
    async def ask(client: httpx.AsyncClient, draw: random.Random) -> httpx.Response:
        query = {"k": _K, "diversity": diversity}
        return await client.get(f"/v1/users/{draw.choice(users)}/recommendations", params=query)

    return ask


def _feature_look_ups(workspace: Workspace, users: Sequence[str]) -> Ask:
    """One look-up of the statistics of a user and as many items as a list has."""
    configured = workspace.settings.id_key
    key = load_key(configured.get_secret_value() if configured else None, workspace.paths.id_key)
    names = [pseudonym(user, key) for user in users]
    items = workspace.lake.read("items")["item_id"].to_list()

    async def ask(client: httpx.AsyncClient, draw: random.Random) -> httpx.Response:
        keys = {"user_id": [draw.choice(names)] * _K, "item_id": draw.sample(items, _K)}
        body = {"feature_service": "ranking", "entities": keys, "full_feature_names": True}
        return await client.post("/get-online-features", json=body)

    return ask


async def _events(url: str, users: Sequence[str]) -> list[float]:
    """Milliseconds from an event's acknowledgement to a list without its item."""
    draw, found = random.Random(_SEED), []
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        for number in range(_EVENTS):
            user = f"{draw.choice(users)} of the benchmark {number}"
            path = f"/v1/users/{user}/recommendations"
            first = (await client.get(path)).json()["items"][0]["item_id"]
            event = {"event_id": f"bench-{os.getpid()}-{number}", "user_id": user, "type": "like"}
            (await client.post("/v1/events", json={**event, "item_id": first})).raise_for_status()
            begun = time.perf_counter()
            while any(row["item_id"] == first for row in (await client.get(path)).json()["items"]):
                pass
            found.append((time.perf_counter() - begun) * 1000)
    return found


def _users(workspace: Workspace) -> list[str]:
    events = source_of(workspace).interactions().frame.select("user_id").unique().sort("user_id")
    return events.collect()["user_id"].to_list()


def _ours(workspace: Workspace) -> Callable[[int], tuple[list[str], dict[str, str]]]:
    home = {"CROSSMODAL_HOME": str(workspace.paths.home)}
    program = str(Path(sys.executable).with_name("crossmodal"))
    return lambda port: ([program, "serve", "--port", str(port)], home)


def _feast(workspace: Workspace) -> Callable[[int], tuple[list[str], dict[str, str]]]:
    program = str(Path(sys.executable).with_name("feast"))
    settings = str(workspace.paths.feast / "feature_store.yaml")
    return lambda port: (
        [program, "-f", settings, "serve", "-p", str(port), "--no-access-log"],
        {"FEAST_USAGE": "False"},
    )


@contextmanager
def _server(
    command: Callable[[int], tuple[list[str], dict[str, str]]], probe: str
) -> Iterator[str]:
    """A server on a free port, from its first good answer to the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words, extra = command(port)
    process = subprocess.Popen(words, env={**os.environ, **extra}, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _await(f"{url}{probe}")
        yield url
    finally:
        process.terminate()
        process.wait(30)


@retry(
    retry=retry_if_exception_type(httpx.HTTPError),
    stop=stop_after_delay(180),
    wait=wait_fixed(0.2),
    reraise=True,
)
def _await(url: str) -> Any:
    return httpx.get(url, timeout=30).raise_for_status()


if __name__ == "__main__":
    sys.exit(main())

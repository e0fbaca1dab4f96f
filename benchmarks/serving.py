"""The online service under a constant rate of requests, compared with Feast's own feature server.

    python -m benchmarks.serving [--home HOME] [--rate 100] [--seconds 60] [--workers 2]

The load is open-loop: a request starts when it is due, whether or not those before it were
answered, and its latency counts from then. The load generator shares the machine with the servers.
The service works on a copy of the home. Users are drawn alike from all. The service answers a list
from memory while nothing has changed; the figures with the prefix `uncached_` are of one that makes
every list, at a rate of its own. So has Feast's server, since it does not bear that of the lists.
"""

import argparse
import asyncio
import io
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import httpx
import numpy as np
from PIL import Image

from benchmarks import _runs
from benchmarks.serving_load import (
    SEED,
    Ask,
    K,
    Load,
    copied_home,
    feast,
    lists,
    load,
    ours,
    server,
    users_of,
)
from crossmodal.pseudonyms import pseudonym
from crossmodal.settings import load_settings
from crossmodal.workspace import Workspace

OUT = Path(__file__).parent / "out" / "serving.json"
_EVENTS = 200
_ITEMS = 10
_PIXELS = 400
_PATIENCE_SECONDS = 30


def main() -> int:
    """Runs the benchmark from the command line; 1 where a request failed."""
    chosen = _parsed()
    with copied_home(load_settings(home=chosen.home).home) as home:
        cached, uncached, peer, figures = _measured(chosen, Workspace(load_settings(home=home)))
    result = {
        **cached.figures(),
        "seconds": chosen.seconds,
        **uncached.figures("uncached_"),
        "uncached_rate": chosen.uncached_rate,
        **peer.figures("feast_"),
        "feast_rate": chosen.feast_rate,
        **figures,
        **_exact_search(chosen.rows),
        "rate": chosen.rate,
        "workers": chosen.workers,
    }
    for name, value in _runs.write(chosen.out, result).items():
        print(f"{name}: {value}")
    return 1 if cached.errors or uncached.errors or peer.errors else 0


def _measured(
    chosen: argparse.Namespace, workspace: Workspace
) -> tuple[Load, Load, Load, dict[str, float]]:
    """The loads on lists, on lists without a cache and on Feast, and other figures."""
    users = users_of(workspace)
    ask = lists(users, chosen.diversity)
    with server(ours(workspace, chosen.workers), "/readyz") as running:
        cached = asyncio.run(load(running.url, ask, chosen.rate, chosen.seconds))
        remembered = _remembered_share(running.url)
        events = asyncio.run(_events(running.url, users))
        items = asyncio.run(_new_items(running.url, users[0]))
    forgetful = {"CROSSMODAL_SERVE_REMEMBERED_BYTES": "0"}
    with server(ours(workspace, chosen.workers, forgetful), "/readyz") as running:
        uncached = asyncio.run(load(running.url, ask, chosen.uncached_rate, chosen.seconds))
    with server(feast(workspace, chosen.workers), "/health") as running:
        look_ups = _feature_look_ups(workspace, users)
        peer = asyncio.run(load(running.url, look_ups, chosen.feast_rate, chosen.seconds))
    figures = {
        "remembered_share": remembered,
        "event_to_rec_p99_ms": round(float(np.percentile(events, 99)), 2),
        "item_to_rec_s": round(max(items), 2),
        "items": workspace.lake.version("items").rows,
    }
    return cached, uncached, peer, figures


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, help="a state folder that a run has filled")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each load")
    parser.add_argument(
        "--uncached-rate", type=float, default=60.0, help="the same where each list is made again"
    )
    parser.add_argument("--feast-rate", type=float, default=20.0, help="the same for Feast")
    parser.add_argument("--workers", type=int, default=2, help="processes of the service")
    parser.add_argument("--diversity", type=float, default=0.3)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the exact search")
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args()


def _remembered_share(url: str) -> float:
    """Of all lists of the service, how many it answered from memory."""
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    figures = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    again, all_lists = (
        sum(float(value) for key, _, value in figures if key.startswith(name))
        for name in ("crossmodal_lists_remembered_total", "crossmodal_answers_total")
    )
    return round(again / all_lists, 3)


def _exact_search(rows: int) -> dict[str, float]:
    """The figures of `serving_topk`, of processes that hold nothing else."""
    command = [sys.executable, "-m", "benchmarks.serving_topk", "--rows", str(rows)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures: dict[str, float] = json.loads(printed)
    return figures


def _feature_look_ups(workspace: Workspace, users: Sequence[str]) -> Ask:
    """One look-up of the statistics of a user and as many items as a list has."""
    key = workspace.id_key()
    names = [pseudonym(user, key) for user in users]
    items = workspace.lake.read("items")["item_id"].to_list()

    async def ask(session: aiohttp.ClientSession, draw: random.Random) -> int:
        keys = {"user_id": [draw.choice(names)] * K, "item_id": draw.sample(items, K)}
        body = {"feature_service": "ranking", "entities": keys, "full_feature_names": True}
        async with session.post("/get-online-features", json=body) as answer:
            await answer.read()
            return answer.status

    return ask


async def _events(url: str, users: Sequence[str]) -> list[float]:
    """Milliseconds from an event's acknowledgement to a list without its item.

    Each list is requested over a new connection, which any process may take.
    """
    draw, waits = random.Random(SEED), []
    anybody = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=url, timeout=30, limits=anybody) as client:
        for number in range(_EVENTS):
            user = f"{draw.choice(users)} of the benchmark {number}"
            path = f"/v1/users/{user}/recommendations"
            first = (await client.get(path)).json()["items"][0]["item_id"]
            event = {"event_id": f"bench-{os.getpid()}-{number}", "user_id": user, "type": "like"}
            (await client.post("/v1/events", json={**event, "item_id": first})).raise_for_status()
            begun = time.perf_counter()
            while any(row["item_id"] == first for row in (await client.get(path)).json()["items"]):
                if time.perf_counter() - begun > _PATIENCE_SECONDS:
                    raise RuntimeError(f"An acknowledged event on {first} changes no list.")
            waits.append((time.perf_counter() - begun) * 1000)
    return waits


async def _new_items(url: str, user: str) -> list[float]:
    """Seconds from putting a new item's words and picture until a search and a ranking have it.

    Each item is deleted afterwards.
    """
    waits, draw = [], np.random.default_rng(SEED)
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        for number in range(_ITEMS):
            path = f"/v1/items/new-{os.getpid()}-{number}"
            words = f"The {number} lighthouses of a northern coast"
            begun = time.perf_counter()
            described = {"title": words, "text": "A keeper writes letters that no ship takes."}
            (await client.put(path, json=described)).raise_for_status()
            picture = _picture(draw)
            (await client.put(f"{path}/media/image", content=picture)).raise_for_status()
            item = path.rpartition("/")[2]
            everything = f"/v1/users/{user}/recommendations?k=200&exclude_seen=false"
            requests = (client.post("/v1/search", json={"text": words}), client.get(everything))
            searched, listed = [(await request).json()["items"] for request in requests]
            if item not in [row["item_id"] for row in searched]:
                raise RuntimeError(f"A search for its title does not find {item}.")
            ranked = {"user_id": user, "items": [item, *(row["item_id"] for row in listed)][:1000]}
            (await client.post("/v1/rank", json=ranked)).raise_for_status()
            waits.append(time.perf_counter() - begun)
            (await client.delete(path)).raise_for_status()
    return waits


def _picture(draw: np.random.Generator) -> bytes:
    file = io.BytesIO()
    pixels = draw.integers(0, 255, (_PIXELS, _PIXELS, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())

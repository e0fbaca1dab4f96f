"""Kills processes of the online service under a stream of events, and looks for each event.

    python -m benchmarks.serving_kills [--home HOME] [--kills 50] [--rate 100] [--workers 2]

Every event is sent until it is acknowledged, as the client does it, and some are sent twice. At the
end the log must hold each acknowledged event once, and none twice; and so must the lake's copy of
it, made by the command that the schedule runs too.
"""

import argparse
import asyncio
import itertools
import os
import random
import signal
import subprocess
import sys
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from benchmarks.serving_load import SEED, answering, copied_home, ours, server
from crossmodal.event_log import last_position, read_log
from crossmodal.settings import load_settings
from crossmodal.workspace import Workspace

_PATIENCE_SECONDS = 600
_LONGEST_WAIT_SECONDS = 5.0
_SENT_AGAIN = 0.1
_AT_ONCE = 32


@dataclass
class Tally:
    """What became of the events.

    Attributes:
        acknowledged: ids that the service has acknowledged.
        tried_again: requests that a kill cut off, or that found nobody.
        given_up: events that were never acknowledged: each may be there once, or not.
        door: lets so many requests through at a time; the client is slow where many wait in it.
    """

    acknowledged: set[str] = field(default_factory=set)
    tried_again: int = 0
    given_up: int = 0
    door: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))


def main() -> int:
    """Runs the drill from the command line; 0 where every event is there once."""
    chosen = _parsed()
    with copied_home(load_settings(home=chosen.home).home) as home:
        return _run(Workspace(load_settings(home=home)), chosen)


def _run(workspace: Workspace, chosen: argparse.Namespace) -> int:
    items = workspace.lake.read("items")["item_id"].to_list()
    with server(ours(workspace, chosen.workers), "/readyz") as running:
        tally = asyncio.run(_drill(running.url, running.pid, items, chosen.kills, chosen.rate))
        answering(f"{running.url}/readyz")
    print(f"{chosen.kills} kills; {len(tally.acknowledged)} events acknowledged, ", end="")
    print(f"{tally.given_up} never; {tally.tried_again} requests sent again.", flush=True)
    path = workspace.paths.event_log
    rows = [row[1] for block in read_log(path, last_position(path)) for row in block]
    faults = _faults("log", rows, tally.acknowledged)
    if chosen.lake:
        _take_in(workspace)
        stored = workspace.lake.read("reported_events")["event_id"].to_list()
        faults += _faults("lake", stored, tally.acknowledged)
    print("\n".join(faults) or "Every acknowledged event is there exactly once.")
    return int(bool(faults))


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, help="a state folder that a run has filled")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rate", type=float, default=100.0, help="events a second")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--lake", action=argparse.BooleanOptionalAction, default=True, help="look there too"
    )
    return parser.parse_args()


async def _drill(url: str, pid: int, items: list[str], kills: int, rate: float) -> Tally:
    tally, done = Tally(), asyncio.Event()
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        stream = asyncio.create_task(_stream(client, items, rate, tally, done))
        await _kill(client, psutil.Process(pid), kills)
        done.set()
        await stream
    return tally


async def _stream(
    client: httpx.AsyncClient, items: list[str], rate: float, tally: Tally, done: asyncio.Event
) -> None:
    draw, sending = random.Random(SEED), []
    while not done.is_set():
        event = {
            "event_id": f"drill-{uuid.uuid4().hex}",
            "user_id": f"drill {draw.randrange(1000)}",
            "item_id": draw.choice(items),
            "type": "click",
        }
        sending.append(asyncio.create_task(_send(client, event, tally)))
        if draw.random() < _SENT_AGAIN:
            sending.append(asyncio.create_task(_send(client, event, tally)))
        await asyncio.sleep(1 / rate)
    await asyncio.gather(*sending)


async def _send(client: httpx.AsyncClient, event: dict[str, str], tally: Tally) -> None:
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    # A little later each time: all that wait at once would keep a new worker from starting.
    for attempt in itertools.count():
        try:
            async with tally.door:
                (await client.post("/v1/events", json=event)).raise_for_status()
        except httpx.HTTPError:
            if asyncio.get_running_loop().time() > deadline:
                tally.given_up += 1
                return
            tally.tried_again += 1
            await asyncio.sleep(min(_LONGEST_WAIT_SECONDS, 0.1 * 2**attempt) * random.random())
        else:
            tally.acknowledged.add(event["event_id"])
            return


async def _kill(client: httpx.AsyncClient, supervisor: psutil.Process, kills: int) -> None:
    """Kills one worker after another, each at a random instant after somebody has answered."""
    draw = random.Random(SEED)
    for number in range(kills):
        await asyncio.sleep(draw.uniform(0.0, 0.5))
        workers = await _workers(client, supervisor)
        os.kill(draw.choice(workers), signal.SIGKILL)
        print(f"Kill {number + 1}.", flush=True)


async def _workers(client: httpx.AsyncClient, supervisor: psutil.Process) -> list[int]:
    """Living workers, once one answers: a service without any acknowledges nothing."""
    while True:
        try:
            (await client.get("/readyz")).raise_for_status()
        except httpx.HTTPError:
            await asyncio.sleep(0.1)
            continue
        living = [
            process for process in supervisor.children() if process.status() != psutil.STATUS_ZOMBIE
        ]
        workers = [
            process.pid for process in living if "--multiprocessing-fork" in process.cmdline()
        ]
        if workers:
            return workers


def _faults(where: str, event_ids: list[str], acknowledged: set[str]) -> list[str]:
    counts = Counter(name for name in event_ids if name.startswith("drill-"))
    lost = len(acknowledged - counts.keys())
    twice = sum(count > 1 for count in counts.values())
    counts = {"lost": lost, "more than once": twice}
    return [f"In the {where}: {number} events {what}." for what, number in counts.items() if number]


def _take_in(workspace: Workspace) -> None:
    command = [sys.executable, "-m", "orchestration.cli", "run", "--only", "reported_events"]
    home = {"CROSSMODAL_HOME": str(workspace.paths.home)}
    subprocess.run(command, env={**os.environ, **home}, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())

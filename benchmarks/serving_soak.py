"""Many requests to the online service: its memory and its open files at the end and after warm-up.

    python -m benchmarks.serving_soak [--home HOME] [--requests 1000000] [--workers 1]

Lists, events, similar items and feature look-ups, a few at a time, as fast as they are answered.
The service works on a copy of the home: nobody meant the events.
"""

import argparse
import asyncio
import random
import sys
import uuid
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import aiohttp

from benchmarks.serving_load import SEED, Held, copied_home, held_by, ours, server, users_of
from crossmodal.settings import load_settings
from crossmodal.workspace import Workspace

_AT_ONCE = 8
_WARM_UP_SHARE = 0.05
_MOST_GROWTH = 1.1
_LOOKS = 20
_LEAST_REQUESTS = 2 * _LOOKS * _AT_ONCE
_TIMEOUT_SECONDS = 60


def main() -> int:
    """Runs the soak from the command line; 0 where memory and files have stayed as they were."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, help="a state folder that a run has filled")
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    if chosen.requests < _LEAST_REQUESTS:
        parser.error(f"--requests: {_LEAST_REQUESTS} at least, so that each look is after some.")
    with copied_home(load_settings(home=chosen.home).home) as home:
        workspace = Workspace(load_settings(home=home))
        users = users_of(workspace)
        items = workspace.lake.read("items")["item_id"].to_list()
        with server(ours(workspace, chosen.workers), "/readyz") as running:
            soak = _Soak(running.url, running.pid, users, items)
            held, errors = asyncio.run(soak.run(chosen.requests))
    growth = held[-1].rss / held[0].rss
    print(f"{soak.sent} requests, {errors} failed; memory at the end {growth:.3f} times ", end="")
    print(f"that after the warm-up; open files {held[0].files}, then {held[-1].files}.")
    return int(bool(errors) or growth > _MOST_GROWTH or held[-1].files > held[0].files)


class _Soak:
    def __init__(self, url: str, pid: int, users: Sequence[str], items: Sequence[str]) -> None:
        self._url, self._pid = url, pid
        self._users, self._items = users, items
        self._draw = random.Random(SEED)
        self.sent = 0

    async def run(self, requests: int) -> tuple[list[Held], int]:
        """What was held after the warm-up and at some instants after it, and failed requests."""
        warm_up = int(requests * _WARM_UP_SHARE)
        part = (requests - warm_up) // _LOOKS
        patience = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        # Open until the end: connections that close between two looks would look like files.
        async with aiohttp.ClientSession(self._url, timeout=patience) as session:
            errors = await self._some(session, warm_up)
            held = [held_by(self._pid)]
            for _ in range(_LOOKS):
                errors += await self._some(session, part)
                held.append(held_by(self._pid))
                print(f"{held[-1].rss / 1e6:.0f} MB, {held[-1].files} open files.", flush=True)
        return held, errors

    async def _some(self, session: aiohttp.ClientSession, requests: int) -> int:
        shares = [requests // _AT_ONCE] * _AT_ONCE
        return sum(await asyncio.gather(*(self._one_by_one(session, n) for n in shares)))

    async def _one_by_one(self, session: aiohttp.ClientSession, requests: int) -> int:
        errors = 0
        for _ in range(requests):
            self.sent += 1
            try:
                async with self._ask(session) as answer:
                    await answer.read()
                    errors += answer.status != HTTPStatus.OK
            except (aiohttp.ClientError, TimeoutError):
                errors += 1
        return errors

    def _ask(
        self, session: aiohttp.ClientSession
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        user, item = self._draw.choice(self._users), self._draw.choice(self._items)
        kind = self._draw.random()
        if kind < 0.7:
            query = {"k": 20, "diversity": self._draw.choice((0.0, 0.3))}
            return session.get(f"/v1/users/{quote(user, safe='')}/recommendations", params=query)
        if kind < 0.9:
            # Of many users: histories that grow without end would be growth of another kind.
            event = {"event_id": uuid.uuid4().hex, "user_id": uuid.uuid4().hex, "item_id": item}
            return session.post("/v1/events", json={**event, "type": "click"})
        if kind < 0.97:
            return session.get(f"/v1/items/{quote(item, safe='')}/similar")
        return session.get(f"/v1/features/recommendations/{quote(user, safe='')}")


if __name__ == "__main__":
    sys.exit(main())

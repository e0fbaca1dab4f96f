"""Promotions under load: no request may fail, and no answer may mix two models.

    python -m benchmarks.serving_promotion [--home HOME] [--rate 100] [--promotions 10]

A list is held against what one model alone answers: each version is promoted once at rest, and the
lists of some users are kept. Under load every list must be one of these, of the version it names.
At the end the first champion is promoted again.
"""

import argparse
import asyncio
import random
import sys
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

import aiohttp
import httpx

from benchmarks.serving_load import Load, load, ours, server, users_of
from crossmodal.settings import load_settings
from crossmodal.workspace import Workspace
from models.registry import ModelRegistry

_USERS = 20
_PATIENCE_SECONDS = 30.0
_BETWEEN_SECONDS = 4.0

Items = tuple[str, ...]


def main() -> int:
    """Runs the drill from the command line; 0 where nothing failed and nothing was mixed."""
    chosen = _parsed()
    workspace = Workspace(load_settings(home=chosen.home))
    registry = ModelRegistry(workspace.paths.models)
    first = registry.champion()
    if first is None:
        print("There is no champion: run `crossmodal run` first.")
        return 1
    versions = (first, next(v.version for v in registry.versions() if v.name == chosen.other))
    users = users_of(workspace)[:_USERS]
    try:
        with server(ours(workspace, chosen.workers), "/readyz") as running:
            drill = _Drill(running.url, registry, versions, users, chosen.workers)
            totals, slowest = asyncio.run(drill.run(chosen.rate, chosen.promotions))
    finally:
        registry.promote(first)
    print(
        f"{len(totals.latencies)} requests, {totals.errors} failed, {drill.mixed} mixed; ", end=""
    )
    print(f"every process followed within {slowest:.1f} s.")
    return int(bool(totals.errors or drill.mixed))


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, help="a state folder that a run has filled")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    parser.add_argument("--promotions", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--other", default="ease-user-temporal", help="a model to change with")
    return parser.parse_args()


class _Drill:
    """Changes between two versions while lists are asked for."""

    def __init__(
        self,
        url: str,
        registry: ModelRegistry,
        versions: tuple[str, str],
        users: Sequence[str],
        workers: int,
    ) -> None:
        self._url, self._registry, self._versions = url, registry, versions
        self._users, self._workers = users, workers
        self._expected: dict[tuple[str, str], Items] = {}
        self.mixed = 0

    async def run(self, rate: float, promotions: int) -> tuple[Load, float]:
        """The load, and the seconds of the promotion that took longest to reach every process."""
        async with httpx.AsyncClient(base_url=self._url, timeout=30) as client:
            for version in reversed(self._versions):
                await self._promoted(client, version)
                await self._remember(client, version)
            asking = asyncio.create_task(
                load(self._url, self._checked, rate, promotions * _BETWEEN_SECONDS)
            )
            seconds = [
                await self._promoted(client, self._versions[(number + 1) % 2], _BETWEEN_SECONDS)
                for number in range(promotions)
            ]
            return await asking, max(seconds)

    async def _promoted(self, client: httpx.AsyncClient, version: str, rest: float = 0.0) -> float:
        """Promotes; returns how long it took until every process had followed."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        self._registry.promote(version)
        while await self._following(client, version) < self._workers:
            if clock() > begun + _PATIENCE_SECONDS:
                raise TimeoutError(f"{version} did not reach every process.")
            await asyncio.sleep(0.1)
        taken = clock() - begun
        await asyncio.sleep(max(0.0, rest - taken))
        return taken

    async def _following(self, client: httpx.AsyncClient, version: str) -> float:
        name = f'crossmodal_champion_workers{{model_version="{version}"}} '
        lines = (await client.get("/metrics")).text.splitlines()
        return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))

    async def _remember(self, client: httpx.AsyncClient, version: str) -> None:
        for user in self._users:
            answer = await client.get(f"/v1/users/{user}/recommendations", params={"k": 20})
            self._expected[version, user] = _items(answer.json())

    async def _checked(self, session: aiohttp.ClientSession, draw: random.Random) -> int:
        user = draw.choice(self._users)
        path = f"/v1/users/{user}/recommendations"
        async with session.get(path, params={"k": 20}) as answer:
            document = await answer.json()
            if answer.status == HTTPStatus.OK:
                right = self._expected[document["model_version"], user]
                self.mixed += document["path"] == "champion" and _items(document) != right
            return answer.status


def _items(answer: Mapping[str, list[dict[str, str]]]) -> Items:
    return tuple(row["item_id"] for row in answer["items"])


if __name__ == "__main__":
    sys.exit(main())

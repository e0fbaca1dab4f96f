"""Nights that nobody watches: a week's events each night, random kills, and what a night is worth.

    python -m benchmarks.nights [--data FOLDER] [--nights 7] [--kills 50]

The home first learns from all events but the last weeks (`crossmodal run`). Then `crossmodal up`
keeps the web UI, its daemon and the service alive, and `CROSSMODAL_UNATTENDED_NIGHTLY_CRON` brings
the night every few minutes. Each night a week's events come in, half over HTTP and half as a file,
while processes are killed at random instants. Once the scheduled run that has them has succeeded,
the version that answers is compared with the one of before the first night, on the next week's
events. At the end every event must be there once, every table readable, and all well.
"""

import argparse
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks._runs import write
from benchmarks.nights.aftermath import faults_at_rest, faults_while_up
from benchmarks.nights.judging import Answering, Morning, answering, judged
from benchmarks.nights.killing import Kill, Killer
from benchmarks.nights.picture import draw
from benchmarks.nights.platform import Platform
from benchmarks.nights.reporting import await_logged, report
from benchmarks.nights.weeks import Timeline, timeline, write_tables
from crossmodal.paths import StatePaths
from sources.catalogue import SourceRequest
from sources.factory import open_source
from sources.sample.config import SampleConfig

OUT = Path("benchmarks/out/nights.json")


def main() -> int:
    """Runs the nights from the command line; 0 where nothing was wrong afterwards."""
    chosen = _parsed()
    shutil.rmtree(chosen.scratch, ignore_errors=True)
    chosen.scratch.mkdir(parents=True)
    weeks = _timeline(chosen)
    print(f"{weeks.known.height:,} events are known; ", end="")
    print(f"{[week.height for week in weeks.weeks]} come in, the last only to judge.", flush=True)
    nights = Nights(platform_in(chosen.scratch, chosen.every, {}), weeks, chosen.seed)
    try:
        faults = nights.pass_by(chosen.kills, chosen.between)
    finally:
        nights.platform.down()
    print(table(nights.mornings), flush=True)
    kills = Counter(kill.what for kill in nights.kills)
    print(f"{len(nights.kills)} kills ({dict(kills)}); runs: {nights.platform.runs()}.")
    faults += faults_at_rest(nights.platform, nights.reported)
    print("\n".join(faults) or "Nothing lost, nothing twice, nothing torn, nothing left to do.")
    figures = {
        "source": chosen.data.name if chosen.data else "sample",
        "known_events": weeks.known.height,
        "events_by_night": [week.height for week in weeks.weeks],
        "days_by_night": chosen.days,
        "seed": chosen.seed,
        "mornings": [asdict(one) for one in nights.mornings],
        "seconds_by_night": nights.seconds,
        "kills": [asdict(kill) for kill in nights.kills],
        "runs": nights.platform.runs(),
        "faults": faults,
    }
    write(chosen.out, figures)
    if nights.mornings:
        draw(nights.mornings, chosen.out.with_suffix(".png"))
    return int(bool(faults))


class Nights:
    """Nights of one home.

    Args:
        platform: whose home is empty.
        weeks: what happens there.
        seed: draws kills, and what is sent twice.

    Attributes:
        mornings: what each night was worth, where the next week has events.
        kills: all of them.
        seconds: of each night.
        reported: ids of all events that were acknowledged.
    """

    def __init__(self, platform: Platform, weeks: Timeline, seed: int) -> None:
        self.platform, self._weeks, self._seed = platform, weeks, seed
        self._draw = random.Random(seed)
        self.mornings: list[Morning] = []
        self.kills: list[Kill] = []
        self.seconds: list[float] = []
        self.reported: list[str] = []

    def pass_by(self, kills: int, between_seconds: float) -> list[str]:
        """Brings the platform up and lets all nights pass; it stays up.

        Args:
            kills: in all nights together, spread evenly.
            between_seconds: at most, between two kills.

        Returns:
            What somebody would have to do after the last one; nothing if all is well.
        """
        mapping = write_tables(self._weeks, self.platform.paths.home.parent / "tables")
        self.platform.run("--source", "tables", "--path", str(mapping))
        frozen = answering(self.platform.workspace())
        self.platform.up()
        count = len(self._weeks.weeks) - 1
        for place in range(count):
            share = kills * (place + 1) // count - kills * place // count
            self._night(place, share, between_seconds, frozen)
        return faults_while_up(self.platform)

    def _night(self, place: int, kills: int, between_seconds: float, frozen: Answering) -> None:
        began, week = time.monotonic(), self._weeks.weeks[place]
        print(f"Night {place + 1}: {week.height} events, {kills} kills.", flush=True)
        killer = Killer(self.platform, self._draw, kills, between_seconds)
        killer.start()
        report(self.platform, week, random.Random(self._seed + place))
        await_logged(self.platform, week)
        all_in = time.time()
        self.reported += week["event_id"].to_list()
        killer.join()
        self.kills += killer.done
        record = self.platform.nightly_since(all_in)
        self.seconds.append(round(time.monotonic() - began, 1))
        print(f"  morning after {self.seconds[-1]:.0f} s: {record.dagster_run.run_id}", flush=True)
        following = self._weeks.weeks[place + 1]
        if following.height:
            workspace = self.platform.workspace()
            self.mornings.append(judged(workspace, place + 1, frozen, following, self._seed))


def platform_in(folder: Path, every_minutes: int, chosen: Mapping[str, str]) -> Platform:
    """A platform in a folder, whose night comes every few minutes.

    Args:
        folder: for its home and the files of events.
        every_minutes: between two nights of the schedule.
        chosen: other settings, as environment variables.
    """
    events = folder / "events"
    events.mkdir(parents=True)
    nightly = {"CROSSMODAL_UNATTENDED_NIGHTLY_CRON": f"*/{every_minutes} * * * *"}
    return Platform(
        StatePaths((folder / "home").resolve()), events.resolve(), {**chosen, **nightly}
    )


def table(mornings: Sequence[Morning]) -> str:
    """A row per morning, in Markdown."""
    head = "| night | users | champion | NDCG@10 | frozen | popularity | champion less frozen |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", *map(_row, mornings)])


def _row(one: Morning) -> str:
    lead = one.difference
    return (
        f"| {one.night} | {lead.n_users} | {one.champion} | {one.ndcg:.4f} | {one.frozen_ndcg:.4f} "
        f"| {one.popularity_ndcg:.4f} | {lead.mean:+.4f} [{lead.low:+.4f}, {lead.high:+.4f}] |"
    )


def _timeline(chosen: argparse.Namespace) -> Timeline:
    sample = SampleConfig(chosen.users, chosen.items, chosen.events, chosen.seed)
    request = SourceRequest(chosen.scratch / "sources", chosen.data, sample=sample)
    source = open_source("movielens" if chosen.data else "sample", request)
    source.fetch()
    return timeline(source, chosen.nights, chosen.days)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a MovieLens folder; without it, the sample")
    parser.add_argument("--nights", type=int, default=7)
    parser.add_argument("--days", type=int, default=7, help="of events per night")
    parser.add_argument("--kills", type=int, default=50, help="in all nights together")
    parser.add_argument("--between", type=float, default=90.0, help="seconds between kills at most")
    parser.add_argument("--every", type=int, default=5, help="minutes between scheduled nights")
    sizes = SampleConfig()
    parser.add_argument("--users", type=int, default=sizes.users, help="of the sample")
    parser.add_argument("--items", type=int, default=sizes.items, help="of the sample")
    parser.add_argument("--events", type=int, default=sizes.events, help="of the sample")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--scratch", type=Path, default=Path("benchmarks/out/nights"))
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

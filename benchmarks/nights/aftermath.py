"""What must be true after the nights: nothing lost, nothing twice, nothing torn."""

from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow.parquet as pq
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from assets.registry import open_registry
from benchmarks.nights.platform import Platform
from benchmarks.nights.reporting import logged_ids
from models.persistence import ModelFormatError
from models.registry import UnknownVersionError

_SETTLED_SECONDS = 900


def faults_while_up(platform: Platform) -> list[str]:
    """What somebody would have to do while the platform runs; patient with what still passes."""

    @retry(
        retry=retry_if_result(bool),
        stop=stop_after_delay(_SETTLED_SECONDS),
        wait=wait_fixed(5),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else [],
    )
    def found() -> list[str]:
        states = platform.states().items()
        return [
            *(f"The program {name} is {state}." for name, state in states if state != "RUNNING"),
            *platform.problems(),
        ]

    problems: list[str] = found()
    return problems


def faults_at_rest(platform: Platform, expected: Sequence[str]) -> list[str]:
    """What is wrong in a home in which nothing works any more.

    Args:
        platform: after `crossmodal down`.
        expected: ids of all events that were acknowledged.
    """
    lake = platform.workspace().lake
    stored = lake.read("reported_events")["event_id"].to_list()
    return [
        *_counted("log", logged_ids(platform), expected),
        *_counted("lake", stored, expected),
        *_torn(platform),
        *_orphans(platform),
        *_champion(platform),
        *(f"The run {run} has begun and not ended." for run in platform.working()),
    ]


def _counted(where: str, found: Sequence[str], expected: Sequence[str]) -> Iterator[str]:
    counts = Counter(found)
    numbers = {
        "lost": len(set(expected) - counts.keys()),
        "there more than once": sum(count > 1 for count in counts.values()),
        "there that nobody reported": len(counts.keys() - set(expected)),
    }
    for what, number in numbers.items():
        if number:
            yield f"In the {where}, {number} events are {what}."


def _torn(platform: Platform) -> Iterator[str]:
    for path in sorted(platform.paths.lake.rglob("*.parquet")):
        try:
            pq.read_table(path)
        except (OSError, ValueError) as error:
            yield f"{path.name} cannot be read: {error}"


def _orphans(platform: Platform) -> Iterator[str]:
    paths = platform.paths
    for pattern, folder in (
        (".*.tmp", paths.home),
        (".new-*", paths.models),
        (".old-*", paths.models),
    ):
        for path in folder.rglob(pattern):
            yield f"{path.relative_to(paths.home)} was left behind."


def _champion(platform: Platform) -> Iterator[str]:
    registry = open_registry(platform.workspace())
    version = registry.champion()
    if version is None:
        yield "No model answers."
        return
    try:
        registry.load(version)
    except (ModelFormatError, UnknownVersionError, OSError) as error:
        yield f"{version} cannot be loaded: {error}"

"""A week's events on their way in: half over HTTP, half as a file in the watched folder."""

import random
from collections.abc import Sequence
from typing import Any

import httpx
import polars as pl
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random_exponential

from benchmarks.nights.platform import PATIENCE_SECONDS, Platform, patiently
from crossmodal.atomic import atomic_write_bytes
from crossmodal.event_log import last_position, read_log

_BATCH = 50
_SENT_AGAIN = 0.1
_SERVER_ERROR = 500


def report(platform: Platform, week: pl.DataFrame, draw: random.Random) -> None:
    """Reports each event of a week until it is acknowledged, some twice; none waits for a run."""
    middle = week.height // 2
    file = week[middle:]
    if file.height:
        # A name that was never there: `.done` next to it says that the file is complete.
        path = platform.events_folder / f"{file['event_id'][0]}.jsonl"
        atomic_write_bytes(path, _sent(file).write_ndjson().encode())
        path.with_name(f"{path.name}.done").touch()
    rows = _sent(week[:middle]).to_dicts()
    batches = [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]
    with httpx.Client(base_url=platform.url, timeout=30) as client:
        for batch in batches:
            for _ in range(2 if draw.random() < _SENT_AGAIN else 1):
                _post(client, batch)


def await_logged(platform: Platform, week: pl.DataFrame) -> None:
    """Waits until the log of events holds the whole week."""
    expected = set(week["event_id"])

    @patiently
    def logged() -> bool:
        return expected <= set(logged_ids(platform))

    logged()


def logged_ids(platform: Platform) -> list[str]:
    """The ids of the events in the log, in its order."""
    path = platform.paths.event_log
    return [row[1] for block in read_log(path, last_position(path)) for row in block]


def _sent(week: pl.DataFrame) -> pl.DataFrame:
    """The events as an app sends them."""
    return week.select(
        "event_id",
        "user_id",
        "item_id",
        pl.lit("rating").alias("type"),
        pl.col("value").cast(pl.Float64),
        pl.col("event_timestamp").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").alias("timestamp"),
    )


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= _SERVER_ERROR
    return isinstance(error, httpx.TransportError)


@retry(
    retry=retry_if_exception(_may_pass),
    stop=stop_after_delay(PATIENCE_SECONDS),
    wait=wait_random_exponential(multiplier=0.2, max=5),
    reraise=True,
)
def _post(client: httpx.Client, events: Sequence[dict[str, Any]]) -> None:
    client.post("/v1/events", json={"events": events}).raise_for_status()

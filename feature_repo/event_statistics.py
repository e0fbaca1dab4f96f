"""What was known of every item and user at each instant, from events strictly before it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from feature_repo.events import COLUMNS, INSTANT, Events

_DAY = 24 * 3600 * 1_000_000

# Sums within one instant are ordered, so that equal events give equal bytes whatever the threads.
# The shift to the middle of the scale keeps the variance of large values from cancelling out.
_STATISTICS = """
WITH events AS (
    SELECT {key} AS key, {other} AS other, epoch_us(event_timestamp) AS instant,
           value::DOUBLE - $shift AS value
    FROM interactions
),
instants AS (
    SELECT key, instant, count(*) AS n, count(value) AS m,
           sum(value ORDER BY value) AS total, sum(value * value ORDER BY value) AS squares
    FROM events GROUP BY key, instant
),
firsts AS (
    SELECT key, instant, count(*) AS n_new
    FROM (SELECT key, other, min(instant) AS instant FROM events GROUP BY key, other)
    GROUP BY key, instant
),
cumulated AS (
    SELECT key, instant,
           sum(n) OVER so_far AS n_events,
           sum(coalesce(n_new, 0)) OVER so_far AS n_others,
           nullif(sum(m) OVER so_far, 0) AS n_values,
           sum(total) OVER so_far / n_values AS centred,
           sum(squares) OVER so_far / n_values AS squared,
           sum(n) OVER week AS n_events_7d,
           sum(n) OVER month AS n_events_30d,
           min(instant) OVER so_far AS first_event_at
    FROM instants LEFT JOIN firsts USING (key, instant)
    WINDOW so_far AS (PARTITION BY key ORDER BY instant ROWS UNBOUNDED PRECEDING),
           week AS (PARTITION BY key ORDER BY instant RANGE $week PRECEDING),
           month AS (PARTITION BY key ORDER BY instant RANGE $month PRECEDING)
)
SELECT key AS {key}, make_timestamp(instant + 1) AS event_timestamp,
       n_events, n_others, centred + $shift AS value_mean,
       sqrt(greatest(squared - centred * centred, 0)) AS value_std,
       n_events_7d, n_events_30d, first_event_at, instant AS last_event_at
FROM cumulated
ORDER BY key, instant
"""


@dataclass(frozen=True)
class EngineLimits:
    """What DuckDB may use; beyond the memory it spills into `spill`.

    Attributes:
        memory: such as "1GB".
        threads: threads of one query.
        spill: folder of temporary files; None means the working folder's `.tmp`, DuckDB's own.
    """

    memory: str = "1GB"
    threads: int = 2
    spill: Path | None = None


def statistics_schema(key: str, other: str) -> pa.Schema:
    """The schema of a statistics table: `("item_id", "user")` or `("user_id", "item")`.

    A column says whose statistic it is, as those of users and items are read side by side.
    """
    columns: dict[str, pa.DataType] = {
        "n_events": pa.int64(),
        f"n_{other}s": pa.int64(),
        "value_mean": pa.float32(),
        "value_std": pa.float32(),
        "n_events_7d": pa.int64(),
        "n_events_30d": pa.int64(),
        "first_event_at": pa.int64(),
        "last_event_at": pa.int64(),
    }
    whose = key.removesuffix("_id")
    named = [(f"{whose}_{name}", kind) for name, kind in columns.items()]
    return pa.schema([(key, pa.string()), ("event_timestamp", INSTANT), *named])


def build_item_statistics(
    interactions: Events, limits: EngineLimits | None = None
) -> pa.RecordBatchReader:
    """Statistics of every item at each instant with events; see `build_user_statistics`."""
    return _build(interactions, "item_id", "user", limits or EngineLimits())


def build_user_statistics(
    interactions: Events, limits: EngineLimits | None = None
) -> pa.RecordBatchReader:
    """Statistics of every user, one row per user and distinct instant of the user's events.

    A row covers all events up to and including its instant and is stamped one microsecond later
    (see `feature_repo.events.KNOWN_AFTER`). The mean and the deviation (population) ignore null
    values and are null while there is none; the deviation of a single value is 0. The 7 and 30
    day counts reach back from the last event, which counts.

    Args:
        interactions: the events that count, or Parquet files of them.
        limits: what DuckDB may use.

    Returns:
        A stream of batches of `statistics_schema("user_id", "item")`, sorted by user and instant.
    """
    return _build(interactions, "user_id", "item", limits or EngineLimits())


def _build(
    interactions: Events, key: str, other: str, limits: EngineLimits
) -> pa.RecordBatchReader:
    schema = statistics_schema(key, other)
    batches = _stream(interactions, key, other, limits, schema)
    return pa.RecordBatchReader.from_batches(schema, batches)


def _stream(
    interactions: Events, key: str, other: str, limits: EngineLimits, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    query = _STATISTICS.format(key=key, other=f"{other}_id")
    with _connect(limits) as engine:
        _view(engine, interactions)
        middle = "SELECT coalesce((min(value)::DOUBLE + max(value)) / 2, 0) FROM interactions"
        ((shift,),) = engine.sql(middle).fetchall()
        windows = {"week": 7 * _DAY, "month": 30 * _DAY}
        answer = engine.sql(query, params={"shift": shift, **windows})
        for batch in answer.to_arrow_reader(65_536):
            yield batch.rename_columns(schema.names).cast(schema)


def _connect(limits: EngineLimits) -> duckdb.DuckDBPyConnection:
    engine = duckdb.connect()
    engine.execute("SET memory_limit = ?", [limits.memory])
    engine.execute("SET threads = ?", [limits.threads])
    if limits.spill:
        engine.execute("SET temp_directory = ?", [str(limits.spill)])
    return engine


def _view(engine: duckdb.DuckDBPyConnection, interactions: Events) -> None:
    if isinstance(interactions, pl.DataFrame | pl.LazyFrame):
        frame = interactions.lazy().select(COLUMNS).collect()
        engine.register("interactions", frame.to_arrow(compat_level=pl.CompatLevel.oldest()))
    else:
        files = [str(path) for path in interactions]
        engine.read_parquet(files).create_view("interactions")

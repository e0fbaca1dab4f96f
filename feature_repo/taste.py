"""What a user likes: the mean embedding of what the user did, as it was at each instant."""

from collections.abc import Iterator

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from feature_repo.events import INSTANT, KNOWN_AFTER, Events, scan_events

TASTE_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("event_timestamp", INSTANT),
        ("embedding", pa.list_(pa.float32())),
    ]
)


def build_user_taste(
    interactions: Events, embeddings: pl.DataFrame | pl.LazyFrame, chunk_rows: int = 2048
) -> pa.RecordBatchReader:
    """Snapshots of every user's taste in one modality.

    An event weighs its positive value: twice the stars count twice, and what is 0 or below says
    nothing of liking. The scale cancels, as the mean is brought to unit norm. An event counts
    with its item's newest embedding known by then, and not at all where there is none.

    A snapshot is taken at a user's last event of each UTC day, and whenever the number of events
    reaches the next power of two: a newcomer's taste moves with nearly each event, a regular's
    within a day hardly does, and the rows stay within the active days plus log2 of the events. It
    covers all events up to and including its instant and is stamped one microsecond later.

    Args:
        interactions: the events that count, or Parquet files of them.
        embeddings: item_id, event_timestamp, embedding (List(Float32), one length) of a modality.
        chunk_rows: snapshots computed at once, a user's at least.

    Returns:
        A stream of batches of `TASTE_SCHEMA`, sorted by user and instant. Users without any item
        of the modality, or whose vectors cancel out, have no row.
    """
    known = embeddings.lazy().select("item_id", "event_timestamp", "embedding").collect()
    batches = _stream(scan_events(interactions), known.sort("event_timestamp"), chunk_rows)
    return pa.RecordBatchReader.from_batches(TASTE_SCHEMA, batches)


def _stream(
    interactions: pl.LazyFrame, known: pl.DataFrame, chunk_rows: int
) -> Iterator[pa.RecordBatch]:
    events = _weighted_events(interactions, known)
    if events.is_empty():
        return
    vectors = known["embedding"].explode().to_numpy().reshape(len(known), -1)
    snapshots, counts = _snapshots(events)
    weights = csr_matrix(
        (
            events["weight"].to_numpy(),
            events["row"].to_numpy(),
            np.concatenate([[0], np.cumsum(counts)]),
        ),
        shape=(len(snapshots), len(known)),
    )
    starts = snapshots["user_start"].to_numpy()
    for low, high in _chunks(starts, chunk_rows):
        sums = np.cumsum(weights[low:high] @ vectors, axis=0, dtype=np.float64)
        taste, found = _unit(sums, starts[low:high] - low)
        yield _batch(snapshots[low:high].filter(pl.Series(found)), taste[found])


def _weighted_events(interactions: pl.LazyFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Events with the row of the embedding known by then, sorted by user and instant."""
    lookup = known.lazy().select(
        "item_id", pl.col("event_timestamp").alias("known_at"), pl.int_range(pl.len()).alias("row")
    )
    return (
        interactions.filter((pl.col("value") > 0) & pl.col("value").is_finite())
        .select(
            "user_id",
            "item_id",
            pl.col("value").cast(pl.Float32).alias("weight"),
            (pl.col("event_timestamp") + KNOWN_AFTER).alias("at"),
        )
        .sort("at")
        .join_asof(
            lookup,
            left_on="at",
            right_on="known_at",
            by="item_id",
            strategy="backward",
            check_sortedness=False,
        )
        .drop_nulls("row")
        .select("user_id", "at", "row", "weight")
        .sort("user_id", "at", "row", "weight")
        .collect()
    )


def _snapshots(events: pl.DataFrame) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Snapshots (user_id, at, user_start) and `counts`, how many events each adds.

    `user_start` is the row of the user's first snapshot: a row number at first, then its minimum
    over the user. `counts` are the user's events after the snapshot before, up to this one.
    """
    count = pl.col("n").cum_sum().over("user_id")
    magnitude = count.cast(pl.Float64).log(2).floor()
    day = (pl.col("at") - KNOWN_AFTER).dt.date()
    instants = (
        events.group_by("user_id", "at", maintain_order=True)
        .agg(pl.len().alias("n"))
        .with_columns(
            magnitude.alias("magnitude"),
            (day != day.shift(-1).over("user_id")).fill_null(True).alias("day_ends"),
        )
        .with_columns(
            (pl.col("magnitude") > pl.col("magnitude").shift(1, fill_value=-1).over("user_id"))
            .or_(pl.col("day_ends"))
            .alias("taken")
        )
    )
    taken = instants["taken"].to_numpy()
    segment = np.cumsum(taken) - taken
    counts = np.bincount(segment, weights=instants["n"].to_numpy()).astype(np.int64)
    snapshots = (
        instants.filter("taken")
        .with_row_index("user_start")
        .select("user_id", "at", pl.col("user_start").cast(pl.Int64).min().over("user_id"))
    )
    return snapshots, counts


def _chunks(starts: NDArray[np.int64], chunk_rows: int) -> Iterator[tuple[int, int]]:
    """Ranges of about `chunk_rows` snapshots that never split a user."""
    users = np.append(np.unique(starts), len(starts))
    low = 0
    while low < len(starts):
        after = int(np.searchsorted(users, low + chunk_rows, side="right")) - 1
        high = int(users[max(after, int(np.searchsorted(users, low)) + 1)])
        yield low, high
        low = high


def _unit(
    sums: NDArray[np.float64], starts: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Unit vectors (n, d) of running sums over several users, and where there is a direction."""
    before = np.concatenate([np.zeros((1, sums.shape[1])), sums])[starts]
    own = sums - before
    norms = np.linalg.norm(own, axis=1)
    found = norms > 1e-6
    return (own / np.where(found, norms, 1)[:, None]).astype(np.float32), found


def _batch(snapshots: pl.DataFrame, taste: NDArray[np.float32]) -> pa.RecordBatch:
    offsets = np.arange(len(taste) + 1, dtype=np.int32) * taste.shape[1]
    return pa.record_batch(
        [
            pa.array(snapshots["user_id"].to_list(), pa.string()),
            pa.array(snapshots["at"].to_numpy(), pa.timestamp("us")).cast(INSTANT),
            pa.ListArray.from_arrays(offsets, taste.ravel()),
        ],
        schema=TASTE_SCHEMA,
    )

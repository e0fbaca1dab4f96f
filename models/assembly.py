"""From tables with string ids to the dense arrays of a `Dataset`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from models.data import Bools, Dataset, Floats, Interactions, TokenTable, Vocabulary
from models.ties import beginnings, chronological_order


@dataclass(frozen=True)
class IndexedEvents:
    """All events of a platform with their vocabularies.

    Attributes:
        user_ids: every user who did something, who began first first.
        item_ids: every item of the catalogue, in id order.
        events: sorted by user, then time; those of one instant by `chronological_order`.
        order: (n_events,) the row of the source frame behind each event.
    """

    user_ids: Vocabulary
    item_ids: Vocabulary
    events: Interactions
    order: np.ndarray


def category_shares(items: pl.DataFrame, item_ids: Vocabulary) -> Floats | None:
    """Rows (n_items, c) that sum to 1, or to 0 for an item without a category; None for no c.

    Args:
        items: item_id and categories, a list.
        item_ids: the dense indexes.
    """
    pairs = items.select("item_id", "categories").explode("categories").drop_nulls().unique()
    if pairs.is_empty():
        return None
    names = pairs["categories"].unique().sort()
    shares = np.zeros((len(item_ids), len(names)), dtype=np.float32)
    rows = item_ids.indexes(pairs["item_id"].to_list())
    shares[rows, names.search_sorted(pairs["categories"]).to_numpy()] = 1.0
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1.0)
    return shares


def indexed_events(frame: pl.DataFrame, item_ids: Sequence[str], seed: int) -> IndexedEvents:
    """Dense events of a frame with user_id, item_id, value and event_timestamp.

    Args:
        frame: positive events; every item_id is in `item_ids`.
        item_ids: the catalogue, in the order of the dense index.
        seed: orders the events of one user and instant.
    """
    by_id = Vocabulary(tuple(frame["user_id"].unique().sort()))
    items = Vocabulary(tuple(item_ids))
    dense = frame.select(
        user=_dense(pl.col("user_id"), by_id),
        item=_dense(pl.col("item_id"), items),
        value="value",
        time=pl.col("event_timestamp").dt.timestamp("us"),
    )
    events = Interactions(
        dense["user"].to_numpy().astype(np.int32),
        dense["item"].to_numpy().astype(np.int32),
        dense["value"].to_numpy().astype(np.float32),
        dense["time"].to_numpy().astype(np.int64),
    )
    began = beginnings(events, by_id, items, seed)
    first_comers = began.order()
    users = Vocabulary(tuple(by_id.ids[user] for user in first_comers))
    events = replace(events, users=np.argsort(first_comers).astype(np.int32)[events.users])
    order = chronological_order(events, began.marks[first_comers], items, seed)
    return IndexedEvents(users, items, events.take(order), order)


def token_table(frame: pl.DataFrame, item_ids: Vocabulary, column: str = "features") -> TokenTable:
    """One modality's rows of a frame with item_id, event_timestamp and a list column.

    Items outside the vocabulary are left out.
    """
    dense = (
        frame.select(
            item=_dense(pl.col("item_id"), item_ids),
            known_at=pl.col("event_timestamp").dt.timestamp("us"),
            vector=column,
        )
        .filter(pl.col("item").is_not_null() & pl.col("vector").is_not_null())
        .sort("item", "known_at")
    )
    return TokenTable(
        len(item_ids),
        dense["item"].to_numpy().astype(np.int32),
        dense["known_at"].to_numpy().astype(np.int64),
        matrix(dense["vector"]),
    )


def token_tables(
    embeddings: Mapping[str, pl.LazyFrame], item_ids: Vocabulary
) -> dict[str, TokenTable]:
    """All that is known of the items in each modality, from the tables of its embeddings."""
    columns = ["item_id", "event_timestamp", "features"]
    return {
        name: token_table(table.select(columns).collect(), item_ids)
        for name, table in embeddings.items()
    }


def matrix(vectors: pl.Series) -> np.ndarray:
    """A list column of equal lengths as a float32 matrix (n, d); (0, 1) where it is empty."""
    if not len(vectors):
        return np.zeros((0, 1), dtype=np.float32)
    flat = vectors.explode().to_numpy().astype(np.float32)
    return flat.reshape(len(vectors), -1)


def dataset(
    log: IndexedEvents,
    train: Bools,
    validation: Bools,
    tokens: Mapping[str, TokenTable],
    context: np.ndarray | None = None,
    context_names: tuple[str, ...] = (),
) -> Dataset:
    """A dataset of the events where the masks (n_events,) are True; empty modalities left out."""
    known = np.zeros((len(log.events), 0), dtype=np.float32) if context is None else context
    return Dataset(
        log.user_ids,
        log.item_ids,
        log.events.take(train),
        log.events.take(validation),
        {name: table for name, table in tokens.items() if len(table.items)},
        known[train],
        context_names,
    )


def _dense(column: pl.Expr, vocabulary: Vocabulary) -> pl.Expr:
    indexes = range(len(vocabulary))
    return column.replace_strict(vocabulary.ids, indexes, default=None, return_dtype=pl.Int32)

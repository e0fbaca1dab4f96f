"""From the lake to a model's `Dataset`: the events of a split, and what was known of the items."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from crossmodal.lake import Lake
from crossmodal.modalities import LASTING
from models.assembly import (
    IndexedEvents,
    category_shares,
    dataset,
    indexed_events,
    matrix,
    token_table,
)
from models.data import Bools, Dataset, Floats, Interactions, TokenTable, Vocabulary
from models.encoders.reviews import cumulative_reviews
from models.splits.names import COLD_ITEM, GLOBAL_TEMPORAL, USER_RANDOM, USER_TEMPORAL

SPLIT_INPUTS = (
    "splits",
    "training_frame",
    "item_tokens",
    "review_texts",
    "items",
    "interactions",
)
SPLIT_TABLES = ("cold_items",)
"""What `split_data` reads in addition, and changes only together with the inputs."""

_COUNTS = (
    "user_statistics__user_n_events",
    "item_statistics__item_n_events",
    "item_statistics__item_n_events_30d",
)
_VALUES = ("user_statistics__user_value_mean", "item_statistics__item_value_mean")


@dataclass(frozen=True)
class SplitData:
    """One split, ready to fit and to evaluate.

    Attributes:
        name: of the split.
        dataset: what a model may learn from.
        test: the held-out events.
        candidates: (n_items,) items ranked for the test: all, or the cold ones of `cold-item`.
        validation_candidates: (n_items,) items ranked for the validation events.
        categories: (n_items, c) share of each category in an item; None where no item has any.
    """

    name: str
    dataset: Dataset
    test: Interactions
    candidates: Bools
    validation_candidates: Bools
    categories: Floats | None


def read_log(lake: Lake) -> tuple[IndexedEvents, pl.DataFrame]:
    """All positive events with dense ids, and the split table in the same order."""
    splits = lake.read("splits")
    item_ids = lake.scan("items").select("item_id").collect().to_series().to_list()
    log = indexed_events(splits, item_ids, lake.version("splits").summary["seed"])
    return log, splits[log.order.tolist()]


def newest_known(lake: Lake) -> datetime | None:
    """The instant of the newest event that any model may learn from; None where there is none."""
    newest: datetime | None = (
        lake.scan("splits").select(pl.col("event_timestamp").max()).collect().item()
    )
    return newest


def splits_in(lake: Lake, wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of some splits that the data allows, in their order.

    Without times, `user-random` is there for `user-temporal`, and nothing for `global-temporal`.
    """
    made = lake.scan("splits").collect_schema().names()
    timeless = USER_RANDOM in made
    placed = (USER_RANDOM if timeless and name == USER_TEMPORAL else name for name in wanted)
    return tuple(name for name in placed if name in made)


def warm_split(lake: Lake) -> str:
    """The split of known users, on which a champion is chosen."""
    return splits_in(lake, (USER_TEMPORAL,))[0]


def split_data(lake: Lake, split: str) -> SplitData:
    """The events, item tokens and statistics of one split.

    Reviews that belong to held-out events are left out of the tokens, so that no test event is
    described by the words its user wrote about it. With one cut in time, so are all reviews that
    were written after it.
    """
    log, splits = read_log(lake)
    part = splits[split].to_numpy()
    train, validation = part == "train", part == "validation"
    test = log.events.take(part == "test")
    # A user's counts hold the events on cold items too: there the statistics would tell of them.
    context, names = (None, ()) if split == COLD_ITEM else _context(lake, train)
    reviews = review_tokens(lake, log.item_ids, _known_reviews(lake, split, splits))
    tokens = {**item_tokens(lake, log.item_ids), "reviews": reviews}
    return SplitData(
        split,
        dataset(log, train, validation, tokens, context, names),
        test,
        _candidates(lake, split, log.item_ids, "test"),
        _candidates(lake, split, log.item_ids, "validation"),
        category_shares(lake.scan("items").select("item_id", "categories").collect(), log.item_ids),
    )


def all_events_data(lake: Lake) -> Dataset:
    """Everything that is known: all positive events to learn from, none held back, all reviews.

    For a model that answers. Nothing that is fitted to it can be judged any more.
    """
    log, splits = read_log(lake)
    everything = np.ones(len(splits), dtype=bool)
    context, names = _context(lake, everything)
    reviews = review_tokens(lake, log.item_ids, _written_reviews(lake))
    tokens = {**item_tokens(lake, log.item_ids), "reviews": reviews}
    return dataset(log, everything, ~everything, tokens, context, names)


def _candidates(lake: Lake, split: str, item_ids: Vocabulary, part: str) -> Bools:
    if split != COLD_ITEM:
        return np.ones(len(item_ids), dtype=bool)
    cold = lake.scan("cold_items").filter(pl.col("part") == part).collect()
    return np.isin(item_ids.ids, cold["item_id"].to_list())


def item_tokens(lake: Lake, item_ids: Vocabulary) -> dict[str, TokenTable]:
    """Tokens of the modalities that do not change in time."""
    frame = lake.read("item_tokens")
    return {
        name: token_table(frame.select("item_id", "event_timestamp", features=name), item_ids)
        for name in LASTING
    }


def review_tokens(lake: Lake, item_ids: Vocabulary, written: pl.LazyFrame) -> TokenTable:
    """What had been written about each item, month by month.

    Args:
        lake: holds the vector of every review text.
        item_ids: dense indexes of the items.
        written: item_id, event_timestamp and text of the reviews that may be known.
    """
    known = written.join(lake.scan("review_texts").select("text", "features"), on="text")
    # Sums of floats depend on the order, and a join promises none.
    rows = known.sort("item_id", "event_timestamp", "text").collect()
    vectors = matrix(rows["features"])
    times = rows["event_timestamp"].dt.timestamp("us").to_numpy()
    items = item_ids.indexes(rows["item_id"].to_list())
    return TokenTable(len(item_ids), *cumulative_reviews(items, times, vectors))


def _known_reviews(lake: Lake, split: str, splits: pl.DataFrame) -> pl.LazyFrame:
    held_out = splits.filter(pl.col(split) != "train")
    keys = ["item_id"] if split == COLD_ITEM else ["user_id", "item_id"]
    written = _written_reviews(lake)
    if split == GLOBAL_TEMPORAL and not held_out.is_empty():
        written = written.filter(pl.col("event_timestamp") < held_out["event_timestamp"].min())
    hidden = held_out.lazy().select(keys).unique()
    return written.join(hidden, on=keys, how="anti")


def _written_reviews(lake: Lake) -> pl.LazyFrame:
    """item_id, event_timestamp and text of every review, with the user_id of who wrote it."""
    columns = ("user_id", "item_id", "event_timestamp", "text")
    written = lake.scan_partitions("interactions").filter(pl.col("text").is_not_null())
    return written.select(columns)


def _context(lake: Lake, train: Bools) -> tuple[np.ndarray, tuple[str, ...]]:
    """Point-in-time statistics of every event, from the training frame, which has their order.

    Counts are taken as log(1 + n). Where nothing was known yet, a count is 0 and a mean value is
    the mean over the training events that have one.
    """
    frame = lake.scan("training_frame").select(*_COUNTS, *_VALUES).collect()
    means = {name: frame.filter(pl.Series(train))[name].mean() or 0.0 for name in _VALUES}
    filled = frame.select(
        *(pl.col(name).fill_null(0).log1p().cast(pl.Float32) for name in _COUNTS),
        *(pl.col(name).fill_null(means[name]).cast(pl.Float32) for name in _VALUES),
    )
    return filled.to_numpy().astype(np.float32), (*_COUNTS, *_VALUES)

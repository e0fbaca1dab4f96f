"""A source's events, tokens and splits: what every model of a run is given."""

import hashlib
from collections.abc import Callable

import numpy as np
import polars as pl

from assets.datasets import SplitData
from benchmarks._tokens import Material
from models.assembly import category_shares, dataset, matrix
from models.data import Bools, Floats, TokenTable
from models.encoders.reviews import cumulative_reviews
from models.splits import Split, cold_item, global_temporal, random_split, user_temporal
from models.splits.names import COLD_ITEM, GLOBAL_TEMPORAL, RANDOM, USER_TEMPORAL
from models.standardisation import Standardisation
from sources.protocol import Source

SPLITS = (USER_TEMPORAL, GLOBAL_TEMPORAL, COLD_ITEM, RANDOM)

_CONTENT = ("text", "attributes")
_RANDOM_VALIDATION = 0.1


def split_data(material: Material, source: Source, name: str, seed: int) -> SplitData:
    """One split with the tokens that may be known in it."""
    log = material.log
    split = _split(material, name, seed)
    tokens = {**material.tokens, "reviews": _reviews(material, source, split)}
    everything = np.ones(len(log.item_ids), dtype=bool)
    wanted, chosen = split.test_candidates, split.validation_candidates
    return SplitData(
        name,
        dataset(log, split.train, split.validation, tokens),
        log.events.take(split.test),
        everything if wanted is None else wanted,
        everything if chosen is None else chosen,
        category_shares(material.items, log.item_ids),
    )


def content_features(material: Material) -> Floats:
    """Text and attributes (n_items, d), standardised, each with a flag of its presence.

    A missing value is 0, which is the mean. The text's flags say also whether there is a plot.
    """
    parts: list[Floats] = []
    for modality in _CONTENT:
        features, present = material.tokens[modality].at()
        parts += [_standardised(features, present), present[:, None].astype(np.float32)]
    described = material.controls["text"].at()[0][:, :1]
    return np.hstack([*parts, described]).astype(np.float32)


def array_digest(array: np.ndarray) -> str:
    """The same for the same numbers."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:12]


def events_digest(data: SplitData) -> str:
    """The same for the same events and candidates."""
    hasher = hashlib.sha256(data.name.encode())
    events = (data.dataset.train, data.dataset.validation, data.test)
    arrays = [array for part in events for array in vars(part).values()]
    for array in (*arrays, data.candidates, data.validation_candidates):
        hasher.update(np.ascontiguousarray(array).tobytes())
    for vocabulary in (data.dataset.user_ids, data.dataset.item_ids):
        hasher.update(repr(vocabulary.ids).encode())
    return hasher.hexdigest()[:12]


def digest(data: SplitData) -> str:
    """The same for the same events, candidates and tokens."""
    hasher = hashlib.sha256(events_digest(data).encode())
    for table in data.dataset.tokens.values():
        for array in (table.items, table.known_at, table.features):
            hasher.update(np.ascontiguousarray(array).tobytes())
    return hasher.hexdigest()[:12]


def _split(material: Material, name: str, seed: int) -> Split:
    events = material.log.events
    made: dict[str, Callable[[], Split]] = {
        USER_TEMPORAL: lambda: user_temporal(events, len(material.log.user_ids)),
        GLOBAL_TEMPORAL: lambda: global_temporal(events),
        COLD_ITEM: lambda: cold_item(events, len(material.log.item_ids), seed=seed),
        RANDOM: lambda: random_split(len(events), seed, validation=_RANDOM_VALIDATION),
    }
    return made[name]()


def _reviews(material: Material, source: Source, split: Split) -> TokenTable:
    """Reviews, without those of held-out events, or for a split by time, without those after it."""
    log = material.log
    held_out = log.events.take(~split.train)
    keys = pl.DataFrame(
        {
            "user_id": np.array(log.user_ids.ids, dtype=object)[held_out.users].tolist(),
            "item_id": np.array(log.item_ids.ids, dtype=object)[held_out.items].tolist(),
        },
        schema={"user_id": pl.String, "item_id": pl.String},
    ).unique()
    on = ["item_id"] if split.name == COLD_ITEM else ["user_id", "item_id"]
    events = source.interactions().frame.select("user_id", "item_id", "event_timestamp", "text")
    written = events.filter(pl.col("text").fill_null("").str.strip_chars() != "").collect()
    if split.name == GLOBAL_TEMPORAL and len(held_out):
        cut = int(held_out.timestamps.min())
        written = written.filter(pl.col("event_timestamp").dt.timestamp("us") < cut)
    vectors = material.reviews.select("text", "vector").unique("text")
    known = written.join(keys, on=on, how="anti").join(vectors, on="text")
    known = known.sort("item_id", "event_timestamp", "user_id", "text")
    items = log.item_ids.indexes(known["item_id"].to_list())
    times = known["event_timestamp"].dt.timestamp("us").to_numpy()
    columns = cumulative_reviews(items, times, matrix(known["vector"]))
    return TokenTable(len(log.item_ids), *columns)


def _standardised(features: Floats, present: Bools) -> Floats:
    known = features[present]
    if not len(known):
        return features
    scale = Standardisation.of(known)
    scaled = (features - scale.mean) / scale.deviation
    return np.where(present[:, None], scaled, np.float32(0))

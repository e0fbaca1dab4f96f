"""What the text tower reads of an item, and what is made of its two vectors."""

import numpy as np
import polars as pl

from models.data import Floats
from models.encoders.protocol import TextEncoder

READ_OF_ITEMS = ("text", "title")
"""Columns of `read_of_items`, in the order of their vectors."""

_TITLE_WEIGHT = 0.5


def read_of_items(items: pl.LazyFrame) -> pl.LazyFrame:
    """Items that say anything, with `text` (title, categories, description) and `title`.

    The title has a vector of its own, since names that belong together (the parts of a series)
    drown in a long description. Where there is none, the whole text stands for it.
    """
    parts = [
        pl.col("title").fill_null(""),
        pl.col("categories").list.join(", ").fill_null(""),
        pl.col("text").fill_null(""),
    ]
    filled = [pl.when(part.str.strip_chars() != "").then(part) for part in parts]
    text = pl.concat_str(filled, separator=". ", ignore_nulls=True)
    title = pl.coalesce(filled[0], text)
    return items.with_columns(text=text, title=title).filter(pl.col("text") != "")


def weigh_title(features: np.ndarray) -> np.ndarray:
    """Text features (n, 2d) with the title's half at half its length.

    A ridge regression pays more for what is short, so that titles that say nothing, as the sample's
    do not, cost it little.
    """
    whole = features.shape[1] // 2
    weights = np.where(np.arange(features.shape[1]) < whole, 1.0, _TITLE_WEIGHT)
    return np.asarray(features * weights.astype(np.float32))


def whole_text(features: np.ndarray) -> np.ndarray:
    """The whole text's half (n, d) of text features (n, 2d); the other is the title's."""
    return features[:, : features.shape[1] // 2]


def encode_items(items: pl.DataFrame, encoder: TextEncoder) -> Floats:
    """Text features (n, 2d) of items with `title`, `categories` and `text`.

    Every item has a title or a text: for one that says nothing there are no features.
    """
    read = read_of_items(items.lazy()).collect()
    vectors = [encoder.encode(read[column].to_list()) for column in READ_OF_ITEMS]
    return np.asarray(weigh_title(np.hstack(vectors)), dtype=np.float32)

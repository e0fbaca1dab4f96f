"""Drift of what the service answered, as far as apps report what they have shown."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from scipy.stats import norm

from models.drift.clicks import UNNAMED
from models.drift.distances import Distance
from models.drift.intervals import effective_size, noise_of_shares
from models.drift.measured import CHANCE, Measured
from models.drift.names import CLICK_THROUGH, FALLBACK

_NEWEST = "newest version"


def of_answers(shown: pl.DataFrame, limit: float) -> Iterator[Measured]:
    """The share of fallbacks among the newer half of answers, and the loss of click-through.

    The distance of fallbacks is their share itself; its noise is what chance may make of a share
    that is at the limit. That of click-through is by how much, as a share, the version that
    answered last is chosen less often than all before it; below 0 if it is chosen more often.

    Args:
        shown: from `models.drift.clicks.shown_items`.
        limit: of the share of fallbacks.
    """
    answers = (
        shown.filter(pl.col("fallback").is_not_null())
        .unique("request_id", keep="first", maintain_order=True)
        .sort("event_timestamp", "request_id")
    )
    newer = answers.tail(-(-answers.height // 2))
    if newer.height:
        size = effective_size(newer["user_id"])
        noise = limit + float(norm.isf(CHANCE)) * np.sqrt(limit * (1 - limit) / size)
        share = float(newer["fallback"].sum() / newer.height)
        yield Measured(FALLBACK, "answers", size, size, Distance(share, noise))
    yield from _click_through(shown.filter(pl.col("answered_by") != UNNAMED))


def _click_through(shown: pl.DataFrame) -> Iterator[Measured]:
    if shown["answered_by"].n_unique() < 2:
        return
    last = shown.sort("event_timestamp", "request_id")["answered_by"][-1]
    newest, before = (shown.filter((pl.col("answered_by") == last) == now) for now in (True, False))
    chosen = int(before["chosen"].sum())
    if not chosen:
        return
    n, m = effective_size(before["user_id"]), effective_size(newest["user_id"])
    rate = chosen / before.height
    lost = 1 - int(newest["chosen"].sum()) / newest.height / rate
    pooled = (chosen + int(newest["chosen"].sum())) / shown.height
    noise = noise_of_shares(pooled, n, m, CHANCE) / rate
    yield Measured(CLICK_THROUGH, _NEWEST, n, m, Distance(lost, noise))

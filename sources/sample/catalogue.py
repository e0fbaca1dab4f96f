"""The visible side of the items: titles, words, categories, numbers, dates, and what is missing."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sources.protocol import ITEMS
from sources.sample.breakage import BREAKAGES
from sources.sample.choices import DAYS, START
from sources.sample.config import SampleConfig
from sources.sample.files import OPUS_RATE, PICTURE_FORMATS, SOUND_FORMATS, SOUND_RATES
from sources.sample.tastes import STREAM_BREAK, STREAM_CATALOGUE, Items, random
from sources.sample.writing import write_synopsis

_MISSING_SHARE = 0.05
_BROKEN_SHARE = 0.015
_CLIP_SHARE = 0.05
_LATE_SHARE = 0.2
_MISLABELLED_SHARE = 0.2
_DAY_SECONDS = 86_400
_CATEGORIES = (("Science", "Fantasy"), ("Crime", "Sports"))
_FIRST_TEXT_DIMENSION = 3


@dataclass(frozen=True)
class MediaPlan:
    """Which file each item gets; drawn apart from the tastes, so that it tells nothing of them.

    Attributes:
        clip: (n,) items with one MP4 instead of a poster and a sound.
        text, poster, sound: (n,) whether the item has it.
        picture_format, sound_format: (n,) a format of `sources.sample.files`.
        rate, channels: (n,) of the sound.
        poster_breakage, sound_breakage: position to the way in which a file is broken.
    """

    clip: NDArray[np.bool_]
    text: NDArray[np.bool_]
    poster: NDArray[np.bool_]
    sound: NDArray[np.bool_]
    picture_format: list[str]
    sound_format: list[str]
    rate: list[int]
    channels: list[int]
    poster_breakage: dict[int, str]
    sound_breakage: dict[int, str]


def item_id(position: int) -> str:
    """The id of an item."""
    return f"item-{position:05d}"


def user_id(position: int) -> str:
    """The raw id of a user."""
    return f"user-{position:06d}"


def plan_media(config: SampleConfig) -> MediaPlan:
    """Draws which files there are, in which formats, and which are broken."""
    rng = random(config, STREAM_BREAK)
    n = config.items
    clip = rng.random(n) < _CLIP_SHARE
    text, poster, sound = (rng.random(n) >= _MISSING_SHARE for _ in range(3))
    sound_format = [SOUND_FORMATS[k] for k in rng.integers(len(SOUND_FORMATS), size=n)]
    rates = [SOUND_RATES[k] for k in rng.integers(len(SOUND_RATES), size=n)]
    return MediaPlan(
        clip=clip,
        text=text,
        poster=poster & ~clip,
        sound=sound & ~clip,
        picture_format=[PICTURE_FORMATS[k] for k in rng.integers(len(PICTURE_FORMATS), size=n)],
        sound_format=sound_format,
        rate=[
            OPUS_RATE if kind == "ogg" else rate
            for kind, rate in zip(sound_format, rates, strict=True)
        ],
        channels=[int(k) for k in rng.integers(1, 3, size=n)],
        poster_breakage=_breakages(rng, np.flatnonzero(poster & ~clip), n),
        sound_breakage=_breakages(rng, np.flatnonzero(sound & ~clip), n),
    )


def arrival_seconds(config: SampleConfig) -> NDArray[np.int64]:
    """Seconds after `START` at which each item (n,) enters the catalogue: most at 0."""
    rng = random(config, STREAM_CATALOGUE, 1)
    late = rng.random(config.items) < _LATE_SHARE
    return np.where(late, rng.integers(0, int(0.7 * DAYS), config.items) * _DAY_SECONDS, 0)


def write_catalogue(config: SampleConfig, items: Items, plan: MediaPlan) -> pl.DataFrame:
    """The items in the columns of `sources.protocol.ITEMS`."""
    rng = random(config, STREAM_CATALOGUE)
    n = config.items
    start = int(START.astype(np.int64))
    arrivals = start + arrival_seconds(config)
    ages = rng.integers(0, 30 * 365, n) * _DAY_SECONDS
    released = arrivals - ages
    years = (released * 1_000_000).astype("datetime64[us]").astype("datetime64[Y]").astype(
        int
    ) + 1970
    prices = rng.integers(2, 30, n) + 0.99
    descriptions = [
        write_synopsis(config, position, items.expressed["text"][position])
        if plan.text[position]
        else ("", "")
        for position in range(n)
    ]
    return pl.DataFrame(
        {
            "item_id": [item_id(position) for position in range(n)],
            "title": [title for title, _ in descriptions],
            "text": [text for _, text in descriptions],
            "categories": _categories(rng, items),
            "attributes": [
                [{"name": "price", "value": price}, {"name": "year", "value": float(year)}]
                for price, year in zip(prices.tolist(), years.tolist(), strict=True)
            ],
            "released_at": pl.Series((released * 1_000_000).tolist()),
            "created_at": pl.Series((arrivals * 1_000_000).tolist()),
        },
        schema_overrides=dict(ITEMS),
    )


def _categories(rng: np.random.Generator, items: Items) -> list[list[str]]:
    """Two coarse words an item: the sign of two text dimensions, wrong for every fifth."""
    chosen = []
    for offset, names in enumerate(_CATEGORIES):
        high = items.expressed["text"][:, _FIRST_TEXT_DIMENSION + offset] > 0
        high ^= rng.random(len(high)) < _MISLABELLED_SHARE
        chosen.append([names[int(side)] for side in high])
    return [sorted(pair) for pair in zip(*chosen, strict=True)]


def _breakages(rng: np.random.Generator, having: NDArray[np.intp], n: int) -> dict[int, str]:
    count = min(len(having), max(len(BREAKAGES), round(_BROKEN_SHARE * n)))
    broken = rng.permutation(having)[:count]
    return {int(item): BREAKAGES[turn % len(BREAKAGES)] for turn, item in enumerate(broken)}

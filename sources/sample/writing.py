"""Synopses, titles and reviews that say what an item is."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from sources.sample.config import SampleConfig
from sources.sample.tastes import STREAM_REVIEW, STREAM_TEXT, Array, random

_PHRASES_A_UNIT = 3.0
_SENTENCE = 3
_MOST_STARS_OF_A_BAD_REVIEW = 2
_MOST_STARS_OF_A_FAIR_REVIEW = 3


@dataclass(frozen=True)
class Phrases:
    """The word lists: `dimensions[d]` is (low end, high end) of the d-th expressed dimension."""

    dimensions: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    openings: tuple[str, ...]
    joins: tuple[str, ...]
    title_first: tuple[str, ...]
    title_second: tuple[str, ...]
    reviews: tuple[tuple[str, ...], ...]


@cache
def phrases() -> Phrases:
    """The word lists next to this module."""
    raw = yaml.safe_load(Path(__file__).with_name("phrases.yaml").read_text(encoding="utf-8"))
    return Phrases(
        dimensions=tuple((tuple(d["low"]), tuple(d["high"])) for d in raw["dimensions"]),
        openings=tuple(raw["openings"]),
        joins=tuple(raw["joins"]),
        title_first=tuple(raw["titles"]["first"]),
        title_second=tuple(raw["titles"]["second"]),
        reviews=tuple(tuple(raw["reviews"][key]) for key in ("low", "middle", "high")),
    )


def write_synopsis(config: SampleConfig, item: int, expressed: Array) -> tuple[str, str]:
    """Title and synopsis of one item with expressed text dimensions (7,).

    A dimension far from zero is spoken of in more phrases. The title says nothing of the taste.
    """
    rng = random(config, STREAM_TEXT, item)
    words = phrases()
    title = f"{_pick(rng, words.title_first)} {_pick(rng, words.title_second)}"
    spoken = _speak(rng, expressed, _PHRASES_A_UNIT) or ["an ordinary day"]
    sentences = []
    for start in range(0, len(spoken), _SENTENCE):
        lead = _pick(rng, words.joins if start else words.openings)
        sentences.append(f"{lead} {_listing(spoken[start : start + _SENTENCE])}.")
    return title, " ".join(sentences)


def write_review(config: SampleConfig, event: int, stars: float, expressed: Array) -> str:
    """A short review of an item by somebody who gave it `stars`."""
    rng = random(config, STREAM_REVIEW, event)
    low, middle, high = phrases().reviews
    if stars <= _MOST_STARS_OF_A_BAD_REVIEW:
        leads = low
    else:
        leads = middle if stars <= _MOST_STARS_OF_A_FAIR_REVIEW else high
    spoken = _speak(rng, expressed, 0.8)[:_SENTENCE] or ["an ordinary day"]
    return f"{_pick(rng, leads)} {_listing(spoken)}."


def _speak(rng: np.random.Generator, expressed: Array, a_unit: float) -> list[str]:
    spoken: list[str] = []
    for value, ends in zip(expressed, phrases().dimensions, strict=True):
        end = ends[int(value > 0)]
        # Rounding at random keeps the mean number of phrases linear in the value.
        count = min(int(abs(value) * a_unit + rng.random()), len(end))
        spoken += [end[position] for position in rng.permutation(len(end))[:count]]
    return [spoken[position] for position in rng.permutation(len(spoken))]


def _pick(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _listing(parts: list[str]) -> str:
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
